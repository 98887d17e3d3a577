package org.junit

annotation class Test

object Assert {
    @JvmStatic
    fun assertTrue(condition: Boolean) = check(condition)

    @JvmStatic
    fun assertTrue(message: String, condition: Boolean) = check(condition) { message }

    @JvmStatic
    fun assertEquals(expected: Any?, actual: Any?) = check(expected == actual)
}

// As much of org.json, which Android brings, as the library reads manifests with.
package org.json

class JSONException(message: String) : Exception(message)

class JSONObject private constructor(private val entries: Map<String, Any?>) {
    constructor(text: String) : this(Reader(text).whole())

    fun getInt(name: String): Int = (get(name) as Number).toInt()
    fun getDouble(name: String): Double = (get(name) as Number).toDouble()
    fun getString(name: String): String = get(name) as String
    fun getBoolean(name: String): Boolean = get(name) as Boolean
    fun isNull(name: String): Boolean = entries[name] == null
    fun keys(): Iterator<String> = entries.keys.iterator()

    fun getJSONObject(name: String): JSONObject = JSONArray.objectOf(get(name))
    fun getJSONArray(name: String): JSONArray = JSONArray(get(name) as List<*>)

    private fun get(name: String): Any = entries[name] ?: throw JSONException("No value for $name")

    companion object {
        internal fun of(entries: Map<String, Any?>) = JSONObject(entries)
    }
}

class JSONArray internal constructor(private val items: List<*>) {
    fun length(): Int = items.size
    fun getJSONObject(index: Int): JSONObject = objectOf(items[index])

    companion object {
        @Suppress("UNCHECKED_CAST")
        internal fun objectOf(value: Any?) = JSONObject.of(value as Map<String, Any?>)
    }
}

private class Reader(private val text: String) {
    private var at = 0

    @Suppress("UNCHECKED_CAST")
    fun whole(): Map<String, Any?> = value() as Map<String, Any?>

    private fun value(): Any? = when (val sign = next()) {
        '{' -> entries()
        '[' -> items()
        '"' -> string()
        else -> word(sign)
    }

    private fun next(): Char {
        while (text[at].isWhitespace()) at += 1
        return text[at++]
    }

    private fun entries(): Map<String, Any?> {
        val found = LinkedHashMap<String, Any?>()
        var sign = next()
        while (sign != '}') {
            if (sign == ',') next()
            val name = string()
            if (next() != ':') throw JSONException("Expected : at $at")
            found[name] = value()
            sign = next()
        }
        return found
    }

    private fun items(): List<Any?> {
        val found = ArrayList<Any?>()
        while (true) {
            val sign = next()
            if (sign == ']') return found
            if (sign != ',') at -= 1
            found.add(value())
        }
    }

    private fun string(): String {
        val found = StringBuilder()
        while (text[at] != '"') {
            if (text[at] == '\\') at += 1
            found.append(text[at++])
        }
        at += 1
        return found.toString()
    }

    private fun word(first: Char): Any? {
        val start = at - 1
        while (at < text.length && (text[at].isLetterOrDigit() || text[at] in "+-.")) at += 1
        val word = text.substring(start, at)
        return when {
            word == "null" -> null
            word == "true" || word == "false" -> word == "true"
            '.' in word || 'e' in word || 'E' in word -> word.toDouble()
            first == '-' || first.isDigit() -> word.toLong()
            else -> throw JSONException("Unexpected $word at $at")
        }
    }
}

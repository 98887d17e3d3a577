// The calls of LiteRT's compiled model that the library makes; no accelerator is there.
package com.google.ai.edge.litert

import android.content.res.AssetManager

enum class Accelerator { NONE, CPU, GPU, NPU }

class LiteRtException(message: String) : Exception(message)

class TensorBuffer : AutoCloseable {
    fun writeInt8(data: ByteArray) = Unit
    fun readInt8(): ByteArray = ByteArray(0)
    override fun close() = Unit
}

class CompiledModel private constructor() : AutoCloseable {
    class Options(vararg val accelerators: Accelerator)

    fun createInputBuffers(): List<TensorBuffer> = emptyList()
    fun createOutputBuffers(): List<TensorBuffer> = emptyList()
    fun run(inputs: List<TensorBuffer>, outputs: List<TensorBuffer>) = Unit
    override fun close() = Unit

    companion object {
        @JvmStatic
        fun create(assets: AssetManager, name: String, options: Options): CompiledModel =
            throw LiteRtException("no ${options.accelerators.joinToString()} on this machine")
    }
}

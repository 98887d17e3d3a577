package clipfree.sr

import android.content.res.AssetManager
import java.nio.ByteBuffer
import java.nio.ByteOrder

/** The golden pair of a model, run on this phone. */
object SelfTest {
    /** How far an engine's output is from the expected one. */
    fun run(assets: AssetManager, bundle: Bundle, model: BundledModel, engine: Engine): Tolerance {
        val size = 3 * model.height * model.width * bundle.scale * bundle.scale
        val output = ByteBuffer.allocateDirect(size).order(ByteOrder.nativeOrder())
        engine.run(assets.directBuffer(model.goldenInput), output)
        output.rewind()
        return difference(output, assets.directBuffer(model.goldenOutput), model.signed)
    }

    /** Compare two buffers of codes, int8 where they are [signed], else uint8. */
    fun difference(found: ByteBuffer, expected: ByteBuffer, signed: Boolean): Tolerance {
        require(found.remaining() == expected.remaining()) {
            "expected ${expected.remaining()} codes, found ${found.remaining()}"
        }
        val turned = if (signed) 0x80 else 0
        val count = found.remaining()
        var most = 0
        var differing = 0
        for (index in 0 until count) {
            val one = pixel(found, index, turned)
            val other = pixel(expected, index, turned)
            if (one != other) {
                differing += 1
                most = maxOf(most, Math.abs(one - other))
            }
        }
        return Tolerance(most, differing.toDouble() / count)
    }

    private fun pixel(codes: ByteBuffer, index: Int, turned: Int): Int =
        (codes.get(codes.position() + index).toInt() and 0xFF) xor turned
}

// Runs the library's own code on this machine and prints or writes what it finds.
package harness

import android.content.res.AssetManager
import android.graphics.Bitmap
import clipfree.sr.Bundle
import clipfree.sr.BundledModel
import clipfree.sr.Engine
import clipfree.sr.EngineReport
import clipfree.sr.Engines
import clipfree.sr.Pixels
import clipfree.sr.Processor
import clipfree.sr.SelfTest
import clipfree.sr.Tiling
import clipfree.sr.Upscaler
import java.io.File
import java.nio.ByteBuffer

/**
 * A network in whole numbers: each output pixel is its input pixel's neighbourhood, every place of it
 * weighted differently, modulo 256; black outside. Every output pixel of a block adds its own place.
 * Of a signed network all codes are pixels less 128.
 */
class WindowEngine(
    val height: Int, val width: Int, val scale: Int, val radius: Int, signed: Boolean
) : Engine {
    override val report = EngineReport(Processor.CPU, Processor.CPU, 1, null)
    private val black = if (signed) -128 else 0

    override fun run(input: ByteBuffer, output: ByteBuffer) {
        check(input.position() == 0 && input.remaining() == 3 * height * width)
        check(output.remaining() == 3 * height * width * scale * scale && output.isDirect)
        val sums = IntArray(3)
        for (y in 0 until height) for (x in 0 until width) {
            sums.fill(0)
            var weight = 0
            for (dy in -radius..radius) for (dx in -radius..radius) {
                weight += 1
                if (y + dy !in 0 until height || x + dx !in 0 until width) continue
                val at = 3 * ((y + dy) * width + x + dx)
                for (c in 0..2) sums[c] += weight * ((input.get(at + c) - black) and 0xFF)
            }
            for (i in 0 until scale) for (j in 0 until scale) {
                val at = 3 * ((y * scale + i) * width * scale + x * scale + j)
                for (c in 0..2) output.put(at + c, (sums[c] + i * scale + j + black).toByte())
            }
        }
    }

    override fun close() = Unit
}

fun main(args: Array<String>) {
    for (line in File(args[0]).readLines()) {
        val words = line.split(" ")
        when (words[0]) {
            "spans" -> spans(words.drop(1).map { it.toInt() })
            "upscale" -> upscale(words[1], words[2], words[3], words.drop(4).map { it.toInt() })
            "bundle" -> bundle(words[1], words.drop(2).map { it.toInt() })
            "mirror" -> mirror(words.drop(1).map { it.toInt() })
        }
    }
}

private fun spans(numbers: List<Int>) {
    val (length, tile, radius, alignment) = numbers
    try {
        val found = Tiling.spans(length, tile, Tiling.margin(radius, alignment))
        println(found.joinToString(" ") { "${it.start},${it.first},${it.stop}" })
    } catch (error: IllegalArgumentException) {
        println("refused")
    }
}

/** Raw RGB in, raw RGB out, by the bundle's manifest and a network that can be done in one's head. */
private fun upscale(manifest: String, source: String, target: String, size: List<Int>) {
    val (width, height) = size
    val bundle = Bundle.parse(File(manifest).readText())
    val model = bundle.models.first()
    val rgb = File(source).readBytes()
    val argb = IntArray(width * height)
    Pixels.toArgb(rgb, width * height, argb, false)
    val bitmap = Bitmap.createBitmap(width, height, Bitmap.Config.ARGB_8888)
    bitmap.setPixels(argb, 0, width, 0, 0, width, height)
    val engine = WindowEngine(
        model.height, model.width, bundle.scale, bundle.margin!!, model.signed
    )
    val large = Upscaler(bundle, model, engine).use { it.upscale(bitmap) }
    val out = IntArray(large.width * large.height)
    large.getPixels(out, 0, large.width, 0, 0, large.width, large.height)
    check(out.all { it ushr 24 == 0xFF })
    val bytes = ByteArray(3 * out.size)
    Pixels.toCodes(out, out.size, bytes, false)
    File(target).writeBytes(bytes)
    println("${large.width}x${large.height}")
}

private fun bundle(folder: String, size: List<Int>) {
    val assets = AssetManager(File(folder))
    val bundle = Bundle.open(assets)
    val model: BundledModel = bundle.modelFor(size[0], size[1])
    val engine = Engines.open(assets, bundle, model, Processor.GPU, 2)
    // The interpreter is a stand-in that writes nothing: the expected output against code 0.
    val found = SelfTest.run(assets, bundle, model, engine)
    val report = engine.report
    println(
        "${bundle.scale} ${bundle.margin} ${model.file} ${model.tolerances.keys.sorted()} " +
            "${model.loosest.maxCodeDifference} " +
            "${found.maxCodeDifference} ${found.differingFraction} " +
            "${report.requested} ${report.running} ${report.threads} ${report.reason}"
    )
}

private fun mirror(numbers: List<Int>) {
    val (width, height, tileWidth, tileHeight) = numbers
    val pixels = IntArray(tileWidth * tileHeight)
    for (y in 0 until height) for (x in 0 until width) pixels[y * tileWidth + x] = 1 + y * width + x
    Pixels.mirror(pixels, width, height, tileWidth, tileHeight)
    println(pixels.joinToString(","))
}

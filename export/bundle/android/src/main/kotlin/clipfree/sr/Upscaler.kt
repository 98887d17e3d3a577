package clipfree.sr

import android.content.Context
import android.graphics.Bitmap
import java.io.Closeable
import java.nio.ByteBuffer
import java.nio.ByteOrder

/** Takes blocks of the large picture; the arguments are those of [Bitmap.setPixels]. */
interface BlockSink {
    fun block(argb: IntArray, offset: Int, stride: Int, left: Int, top: Int, width: Int, height: Int)
}

/**
 * Enlarges bitmaps of any size with a model of one size, in tiles that leave no seam.
 *
 * Not thread-safe: one instance belongs to one thread, and no call belongs to the main thread.
 * Transparency is left out: the result is opaque.
 */
class Upscaler(
    private val bundle: Bundle,
    private val model: BundledModel,
    private val engine: Engine
) : Closeable {
    val scale: Int = bundle.scale

    /** Where the model runs. */
    val report: EngineReport
        get() = engine.report

    private val tilePixels = model.width * model.height
    private val input = direct(3 * tilePixels)
    private val output = direct(3 * tilePixels * scale * scale)
    private val argb = IntArray(tilePixels * scale * scale)
    private val rgb = ByteArray(3 * tilePixels * scale * scale)

    /** The whole enlarged bitmap; four bytes a pixel, so mind its size. */
    fun upscale(source: Bitmap): Bitmap {
        val large = Bitmap.createBitmap(
            source.width * scale, source.height * scale, Bitmap.Config.ARGB_8888
        )
        upscale(source, object : BlockSink {
            override fun block(
                argb: IntArray, offset: Int, stride: Int, left: Int, top: Int, width: Int, height: Int
            ) = large.setPixels(argb, offset, stride, left, top, width, height)
        })
        return large
    }

    /**
     * The same block by block, for pictures whose result does not fit into memory.
     *
     * @throws IllegalArgumentException where the picture needs tiles and the network allows none
     */
    fun upscale(source: Bitmap, sink: BlockSink) {
        val larger = source.width > model.width || source.height > model.height
        require(!larger || bundle.margin != null) {
            "expected at most ${model.width}x${model.height} pixels, found " +
                "${source.width}x${source.height}: this network looks at the whole picture"
        }
        val margin = bundle.margin ?: 0
        // Tiles lie where the network's strides begin; the last of them may reach over the border.
        val length = Tiling.aligned(source.height, bundle.alignment)
        val breadth = Tiling.aligned(source.width, bundle.alignment)
        for (row in Tiling.spans(length, model.height, margin)) {
            val bottom = minOf(row.stop, source.height)
            for (column in Tiling.spans(breadth, model.width, margin)) {
                val right = minOf(column.stop, source.width)
                if (bottom <= row.first || right <= column.first) continue
                runTile(source, column.start, row.start)
                val inside = (row.first - row.start) * model.width * scale + column.first - column.start
                sink.block(
                    argb, inside * scale, model.width * scale,
                    column.first * scale, row.first * scale,
                    (right - column.first) * scale, (bottom - row.first) * scale
                )
            }
        }
    }

    override fun close() = engine.close()

    private fun runTile(source: Bitmap, left: Int, top: Int) {
        val width = minOf(model.width, source.width - left)
        val height = minOf(model.height, source.height - top)
        source.getPixels(argb, 0, model.width, left, top, width, height)
        Pixels.mirror(argb, width, height, model.width, model.height)
        Pixels.toCodes(argb, tilePixels, rgb, model.signed)
        input.rewind()
        input.put(rgb, 0, 3 * tilePixels)
        input.rewind()
        output.rewind()
        engine.run(input, output)
        output.rewind()
        output.get(rgb)
        Pixels.toArgb(rgb, tilePixels * scale * scale, argb, model.signed)
    }

    private fun direct(size: Int) = ByteBuffer.allocateDirect(size).order(ByteOrder.nativeOrder())

    companion object {
        /** Open the bundle among the app's assets with the model that suits pictures of this size. */
        fun open(
            context: Context,
            width: Int,
            height: Int,
            processor: Processor = Processor.CPU,
            threads: Int = Engines.defaultThreads
        ): Upscaler {
            val assets = context.assets
            val bundle = Bundle.open(assets)
            val model = bundle.modelFor(width, height)
            return Upscaler(bundle, model, Engines.open(assets, bundle, model, processor, threads))
        }
    }
}

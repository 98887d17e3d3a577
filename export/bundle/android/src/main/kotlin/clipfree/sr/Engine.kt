package clipfree.sr

import android.content.res.AssetManager
import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel
import org.tensorflow.lite.Interpreter
import java.io.Closeable
import java.nio.ByteBuffer

/** What a caller can ask for. */
enum class Processor { CPU, GPU, NPU }

/**
 * Where a model runs, as far as LiteRT tells.
 *
 * @property requested what the caller asked for
 * @property running what was opened; another one where [reason] says why
 * @property threads threads of the CPU; LiteRT decides for other processors
 * @property reason why the requested processor is not used; null where it is
 */
data class EngineReport(
    val requested: Processor,
    val running: Processor,
    val threads: Int?,
    val reason: String?
)

/** Runs a model from one direct buffer of codes to another: uint8 or int8, as the model has them. */
interface Engine : Closeable {
    val report: EngineReport

    /** Both buffers are at position 0 and of exactly the model's sizes. */
    fun run(input: ByteBuffer, output: ByteBuffer)
}

/** The CPU, by LiteRT's interpreter: its kernels (XNNPACK) read and write the direct buffers. */
class CpuEngine(model: ByteBuffer, threads: Int, override val report: EngineReport) : Engine {
    private val interpreter = Interpreter(
        model, Interpreter.Options().setNumThreads(threads).setUseXNNPACK(true)
    )

    override fun run(input: ByteBuffer, output: ByteBuffer) = interpreter.run(input, output)

    override fun close() = interpreter.close()
}

/**
 * GPU or NPU, by LiteRT's compiled model.
 *
 * The accelerator alone is asked for. With the CPU as a second choice LiteRT would fall back without
 * a word, and the app would take the CPU's time for the GPU's.
 */
class AcceleratedEngine(
    assets: AssetManager,
    file: String,
    override val report: EngineReport
) : Engine {
    private val model = CompiledModel.create(
        assets, file, CompiledModel.Options(accelerators.getValue(report.running))
    )
    private val inputs = model.createInputBuffers()
    private val outputs = model.createOutputBuffers()
    private var bytes = ByteArray(0)

    override fun run(input: ByteBuffer, output: ByteBuffer) {
        if (bytes.size != input.remaining()) bytes = ByteArray(input.remaining())
        input.get(bytes)
        // LiteRT names the signed type; the bytes of uint8 codes are copied as they are.
        inputs[0].writeInt8(bytes)
        model.run(inputs, outputs)
        output.put(outputs[0].readInt8())
    }

    override fun close() {
        inputs.forEach { it.close() }
        outputs.forEach { it.close() }
        model.close()
    }

    private companion object {
        val accelerators = mapOf(Processor.GPU to Accelerator.GPU, Processor.NPU to Accelerator.NPU)
    }
}

/** Opens engines, and says what came of the wish. */
object Engines {
    /** Half of the cores: a good start on phones of two kinds of cores. */
    val defaultThreads: Int
        get() = maxOf(1, Runtime.getRuntime().availableProcessors() / 2)

    /**
     * Open a model on the requested processor, or on the CPU where that fails or where its output
     * for the golden input is wrong.
     *
     * @param threads threads of the CPU
     * @param maxCodeDifference how far a GPU or NPU may be from the golden output in any pixel; as
     *     far as the CPU's own kernel paths are from each other by default, which was measured
     */
    fun open(
        assets: AssetManager,
        bundle: Bundle,
        model: BundledModel,
        processor: Processor = Processor.CPU,
        threads: Int = defaultThreads,
        maxCodeDifference: Int = model.loosest.maxCodeDifference
    ): Engine {
        var reason: String? = null
        if (processor != Processor.CPU) {
            try {
                val report = EngineReport(processor, processor, null, null)
                val engine = AcceleratedEngine(assets, model.file, report)
                reason = objection(assets, bundle, model, engine, maxCodeDifference) ?: return engine
            } catch (error: Exception) {
                reason = error.message ?: error.javaClass.simpleName
            } catch (error: LinkageError) {
                reason = error.message ?: error.javaClass.simpleName
            }
        }
        val report = EngineReport(processor, Processor.CPU, threads, reason)
        return CpuEngine(assets.directBuffer(model.file), threads, report)
    }

    /** Why an accelerator must not be used, which is closed then; null where it may. */
    private fun objection(
        assets: AssetManager, bundle: Bundle, model: BundledModel, engine: Engine, limit: Int
    ): String? {
        var accepted = false
        try {
            val found = SelfTest.run(assets, bundle, model, engine)
            accepted = found.maxCodeDifference <= limit
            return if (accepted) null else "its output differs by up to ${found.maxCodeDifference} codes"
        } finally {
            if (!accepted) engine.close()
        }
    }
}

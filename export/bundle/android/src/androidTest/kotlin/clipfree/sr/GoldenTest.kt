package clipfree.sr

import android.util.Log
import androidx.test.ext.junit.runners.AndroidJUnit4
import androidx.test.platform.app.InstrumentationRegistry
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith

/** This phone gives the pixels that the bundle promises. */
@RunWith(AndroidJUnit4::class)
class GoldenTest {
    private val assets = InstrumentationRegistry.getInstrumentation().targetContext.assets
    private val bundle = Bundle.open(assets)

    @Test
    fun theCpuReproducesEveryGoldenPair() {
        for (model in bundle.models) {
            for (threads in listOf(1, 2, 4)) {
                Engines.open(assets, bundle, model, Processor.CPU, threads).use { engine ->
                    val found = SelfTest.run(assets, bundle, model, engine)
                    val allowed = model.onCpu
                    val what = "${model.file}, $threads threads: $found, allowed $allowed"
                    Log.i("GoldenTest", what)
                    assertTrue(what, found.maxCodeDifference <= allowed.maxCodeDifference)
                    assertTrue(what, found.differingFraction <= allowed.differingFraction)
                }
            }
        }
    }

    /** Never fails for a phone without a GPU or NPU; what really runs stands in the log. */
    @Test
    fun acceleratorsSayWhatReallyRuns() {
        for (model in bundle.models) {
            for (processor in listOf(Processor.GPU, Processor.NPU)) {
                Engines.open(assets, bundle, model, processor).use { engine ->
                    val found = SelfTest.run(assets, bundle, model, engine)
                    Log.i("GoldenTest", "${model.file}: ${engine.report}, $found")
                    assertEquals(processor, engine.report.requested)
                    assertTrue(engine.report.running == processor || engine.report.reason != null)
                }
            }
        }
    }
}

package clipfree.sr

import android.content.res.AssetManager
import org.json.JSONObject
import java.nio.ByteBuffer
import java.nio.ByteOrder

/** How far an output may lie from the expected one: measured where the bundle was made. */
data class Tolerance(val maxCodeDifference: Int, val differingFraction: Double)

/**
 * One file of a bundle.
 *
 * @property tolerances kernel path (`xnnpack`, `builtin`, `reference`) to tolerance
 * @property proven whether XNNPACK gave the expected codes on ARM64 processors too
 * @property signed whether codes are int8: pixels less 128
 */
data class BundledModel(
    val file: String,
    val height: Int,
    val width: Int,
    val goldenInput: String,
    val goldenOutput: String,
    val tolerances: Map<String, Tolerance>,
    val proven: Boolean,
    val signed: Boolean
) {
    /** How far the CPU's XNNPACK may lie from the golden output: not at all where that is proven. */
    val onCpu: Tolerance
        get() = if (proven) Tolerance(0, 0.0) else loosest

    /** As near as the CPU's own kernel paths are to each other. */
    val loosest: Tolerance
        get() = Tolerance(
            tolerances.values.fold(0) { most, found -> maxOf(most, found.maxCodeDifference) },
            tolerances.values.fold(0.0) { most, found -> maxOf(most, found.differingFraction) }
        )
}

/**
 * What `manifest.json` says, as far as an app needs it.
 *
 * @property margin pixels that tiles must not keep next to their inner edges; null where the network
 *     looks at the whole picture, so that no tiling is exact
 * @property alignment pixels that the places of tiles are multiples of: the strides of the network
 */
class Bundle private constructor(
    val scale: Int,
    val margin: Int?,
    val alignment: Int,
    val models: List<BundledModel>
) {
    /** The largest model that the picture fills, or the smallest there is. */
    fun modelFor(width: Int, height: Int): BundledModel {
        val bySize = models.sortedBy { it.width.toLong() * it.height }
        return bySize.lastOrNull { it.width <= width && it.height <= height } ?: bySize.first()
    }

    companion object {
        private const val SCHEMA_VERSION = 2

        /** Read the bundle that the build put among the app's assets. */
        fun open(assets: AssetManager): Bundle =
            parse(assets.open("manifest.json").use { it.readBytes() }.toString(Charsets.UTF_8))

        /**
         * Read a manifest.
         *
         * @throws IllegalArgumentException for one of a newer schema, or one whose codes are no pixels
         */
        fun parse(manifest: String): Bundle {
            val root = JSONObject(manifest)
            val version = root.getInt("schema_version")
            require(version <= SCHEMA_VERSION) {
                "expected a manifest of schema $SCHEMA_VERSION or older, found $version"
            }
            var margin: Int? = null
            var alignment = 1
            if (!root.isNull("receptive_field")) {
                val field = root.getJSONObject("receptive_field")
                alignment = field.getInt("alignment")
                margin = Tiling.margin(field.getInt("radius"), alignment)
            }
            val list = root.getJSONArray("models")
            val models = (0 until list.length()).map { model(list.getJSONObject(it)) }
            val scale = root.getJSONObject("network").getInt("scale")
            return Bundle(scale, margin, alignment, models)
        }

        private fun proven(golden: JSONObject): Boolean {
            if (golden.isNull("arm64")) return false
            val proofs = golden.getJSONArray("arm64")
            return (0 until proofs.length()).all {
                proofs.getJSONObject(it).getInt("max_abs_code_difference") == 0
            }
        }

        private fun model(entry: JSONObject): BundledModel {
            val sides = listOf("input", "output").map { entry.getJSONObject(it) }
            val dtype = sides[0].getString("dtype")
            for (picture in sides) {
                val same = dtype in listOf("uint8", "int8") && picture.getString("dtype") == dtype
                require(same && picture.getBoolean("codes_are_pixels")) {
                    "expected uint8 or int8 codes that are pixels in ${entry.getString("file")}"
                }
            }
            val golden = entry.getJSONObject("golden")
            val tolerance = golden.getJSONObject("tolerance")
            val tolerances = HashMap<String, Tolerance>()
            for (path in tolerance.keys()) {
                val found = tolerance.getJSONObject(path)
                tolerances[path] = Tolerance(
                    found.getInt("max_abs_code_difference"), found.getDouble("differing_fraction")
                )
            }
            return BundledModel(
                entry.getString("file"), entry.getInt("height"), entry.getInt("width"),
                golden.getString("input"), golden.getString("output"), tolerances, proven(golden),
                dtype == "int8"
            )
        }
    }
}

/** An asset as a direct buffer, ready to be read. */
fun AssetManager.directBuffer(name: String): ByteBuffer {
    val bytes = open(name).use { it.readBytes() }
    val buffer = ByteBuffer.allocateDirect(bytes.size).order(ByteOrder.nativeOrder())
    buffer.put(bytes)
    buffer.rewind()
    return buffer
}

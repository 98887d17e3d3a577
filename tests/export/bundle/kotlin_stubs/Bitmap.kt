// A bitmap that keeps its pixels in an array, with the calls that the library makes.
package android.graphics

class Bitmap private constructor(val width: Int, val height: Int) {
    enum class Config { ARGB_8888 }

    private val pixels = IntArray(width * height)

    fun getPixels(
        into: IntArray, offset: Int, stride: Int, x: Int, y: Int, width: Int, height: Int
    ) {
        require(x >= 0 && y >= 0 && x + width <= this.width && y + height <= this.height)
        for (row in 0 until height) {
            System.arraycopy(pixels, (y + row) * this.width + x, into, offset + row * stride, width)
        }
    }

    fun setPixels(
        from: IntArray, offset: Int, stride: Int, x: Int, y: Int, width: Int, height: Int
    ) {
        require(x >= 0 && y >= 0 && x + width <= this.width && y + height <= this.height)
        for (row in 0 until height) {
            System.arraycopy(from, offset + row * stride, pixels, (y + row) * this.width + x, width)
        }
    }

    companion object {
        @JvmStatic
        fun createBitmap(width: Int, height: Int, config: Config) = Bitmap(width, height)
    }
}

package clipfree.sr

/**
 * Android's pixels as the network's and back.
 *
 * A bitmap holds four bytes for a pixel and the network three, so one pass over the pixels is needed
 * in each direction. It works on arrays, which the runtime compiles to plain loads and stores; all
 * else (bitmap to array, array to buffer) is a bulk copy. There is no scale, no clip and no float.
 * Codes of type int8 are pixels less 128: the same byte with its highest bit turned, which is done to
 * all three colours of a pixel at once.
 */
object Pixels {
    private const val HIGHEST_BITS = 0x808080

    /**
     * The first [count] pixels 0xAARRGGBB as codes R, G, B; alpha is left out.
     *
     * @param signed whether codes are int8
     */
    fun toCodes(argb: IntArray, count: Int, rgb: ByteArray, signed: Boolean) {
        val turned = if (signed) HIGHEST_BITS else 0
        var at = 0
        for (index in 0 until count) {
            val pixel = argb[index] xor turned
            rgb[at] = (pixel shr 16).toByte()
            rgb[at + 1] = (pixel shr 8).toByte()
            rgb[at + 2] = pixel.toByte()
            at += 3
        }
    }

    /**
     * The first [count] triples of codes R, G, B as opaque pixels 0xFFRRGGBB.
     *
     * @param signed whether codes are int8
     */
    fun toArgb(rgb: ByteArray, count: Int, argb: IntArray, signed: Boolean) {
        val turned = if (signed) HIGHEST_BITS else 0
        var at = 0
        for (index in 0 until count) {
            val red = rgb[at].toInt() and 0xFF
            val green = rgb[at + 1].toInt() and 0xFF
            val blue = rgb[at + 2].toInt() and 0xFF
            argb[index] = ((0xFF shl 24) or (red shl 16) or (green shl 8) or blue) xor turned
            at += 3
        }
    }

    /**
     * Fill a tile that a smaller picture does not: what is missing at the right and below is the
     * picture mirrored, its last pixel repeated first.
     *
     * @param pixels rows of [tileWidth] pixels, of which the first [width] of the first [height] are set
     */
    fun mirror(pixels: IntArray, width: Int, height: Int, tileWidth: Int, tileHeight: Int) {
        for (row in 0 until height) {
            val start = row * tileWidth
            for (column in width until tileWidth) {
                pixels[start + column] = pixels[start + mirrored(column, width)]
            }
        }
        for (row in height until tileHeight) {
            val source = mirrored(row, height) * tileWidth
            System.arraycopy(pixels, source, pixels, row * tileWidth, tileWidth)
        }
    }

    private fun mirrored(index: Int, length: Int): Int {
        val place = index % (2 * length)
        return if (place < length) place else 2 * length - 1 - place
    }
}

package clipfree.sr

/**
 * One tile along one axis, in input pixels of the picture.
 *
 * @property start first pixel of the tile
 * @property first first pixel that is kept of it
 * @property stop pixel behind the last that is kept
 */
data class Span(val start: Int, val first: Int, val stop: Int)

/**
 * Where tiles lie so that together they make exactly the picture that one large tile would.
 *
 * A pixel whose neighbourhood, as far as the network looks, lies inside of its tile has the value
 * that it has in the whole picture. So tiles overlap by twice that far, and each keeps its middle.
 */
object Tiling {
    /** Pixels next to an inner edge that a tile cannot vouch for. */
    fun margin(radius: Int, alignment: Int): Int = (radius + alignment - 1) / alignment * alignment

    /** The smallest multiple of the alignment that holds so many pixels. */
    fun aligned(length: Int, alignment: Int): Int = (length + alignment - 1) / alignment * alignment

    /**
     * Tiles along one axis; what they keep covers it once.
     *
     * @param length pixels of the picture; where they are no more than [tile], there is one tile
     * @param tile pixels of a tile
     * @param margin pixels next to an inner edge of a tile that are not kept
     * @throws IllegalArgumentException where nothing would be left of a tile
     */
    fun spans(length: Int, tile: Int, margin: Int): List<Span> {
        require(length > 0 && tile > 0) { "expected pixels, found $length and tiles of $tile" }
        if (length <= tile) return listOf(Span(0, 0, length))
        require(tile > 2 * margin) {
            "expected tiles of more than ${2 * margin} pixels, found $tile; take a larger model"
        }
        val found = ArrayList<Span>()
        var done = 0
        while (done < length) {
            var start = maxOf(0, done - margin)
            val stop = if (start + tile >= length) length else start + tile - margin
            if (stop == length) start = length - tile
            found.add(Span(start, done, stop))
            done = stop
        }
        return found
    }
}

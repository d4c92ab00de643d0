/// An input in pieces, as it may come from a network.
enum Cuts {
    /// All at once, byte by byte, and cut at places that look random but are the same for the same input.
    static func ways(_ bytes: ArraySlice<UInt8>) -> [[ArraySlice<UInt8>]] {
        [[bytes], bytes.indices.map { bytes[$0...$0] }, scattered(bytes)]
    }

    private static func scattered(_ bytes: ArraySlice<UInt8>) -> [ArraySlice<UInt8>] {
        var pieces: [ArraySlice<UInt8>] = []
        var seed: UInt64 = 0xcbf2_9ce4_8422_2325
        var start = bytes.startIndex
        while start < bytes.endIndex {
            // FNV-1a of what has been cut off already, so that an input's beginning is cut alike whatever comes behind it.
            seed = (seed ^ UInt64(bytes[start])) &* 0x0100_0000_01b3
            let end = min(bytes.endIndex, start + 1 + Int((seed >> 32) % 37))
            pieces.append(bytes[start..<end])
            start = end
        }
        return pieces
    }
}

/// Makes inputs of good ones: bytes changed, taken out, put in, repeated, and two inputs spliced.
package struct Mutator<Generator: RandomNumberGenerator> {
    private var generator: Generator
    private let corpus: [[UInt8]]
    private static var interesting: [String] {
        [
            "{", "}", "[", "]", "\"", "\\", ":", ",", "\\u0000", "\\ud800", "null", "-1", "1e999",
            "9223372036854775808", "\u{0}", "\u{feff}",
            "&a ", "*a", "<<: ", "- ", "? ", "\n  ", "\t", "!!", "%", "é", "😀", "T24:00", "+24:00", "µ", "ns",
            "\r\n", "\r\n\r\n", "\n\n", " ", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n",
            "ffffffffffffffff\r\n", "0\r\n\r\n",
            "Connection: close\r\n", "HTTP/1.1 ", "%00", "@", "[::1]", ":65536",
        ]
    }

    package init(corpus: [[UInt8]], generator: Generator) {
        self.corpus = corpus
        self.generator = generator
    }

    /// The next input.
    package mutating func next() -> [UInt8] {
        var bytes = corpus.randomElement(using: &generator) ?? []
        for _ in 0..<Int.random(in: 1...6, using: &generator) { mutate(&bytes) }
        return bytes
    }

    private mutating func mutate(_ bytes: inout [UInt8]) {
        let place = Int.random(in: 0...bytes.count, using: &generator)
        let length = min(bytes.count - place, Int.random(in: 1...16, using: &generator))
        switch Int.random(in: 0..<7, using: &generator) {
        case 0 where !bytes.isEmpty:
            bytes[min(place, bytes.count - 1)] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
        case 1: bytes.insert(UInt8.random(in: 0...255, using: &generator), at: place)
        case 2: bytes.removeSubrange(place..<place + length)
        case 3:
            let piece = Array(bytes[place..<place + length])
            bytes.insert(contentsOf: (0..<Int.random(in: 1...64, using: &generator)).flatMap { _ in piece }, at: place)
        case 4: bytes.insert(contentsOf: (Self.interesting.randomElement(using: &generator) ?? "").utf8, at: place)
        case 5:
            let other = corpus.randomElement(using: &generator) ?? []
            bytes = Array(bytes[..<place]) + other.suffix(Int.random(in: 0...other.count, using: &generator))
        default: bytes = Array(bytes[..<place])
        }
    }
}

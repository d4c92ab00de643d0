import Cryptography
import Foundation
import Testing
import Wire

@Suite struct DigestTests {
    /// FIPS 180-4, with the examples of NIST.
    @Test(arguments: [
        (
            "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "da39a3ee5e6b4b0d3255bfef95601890afd80709"
        ),
        (
            "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "a9993e364706816aba3e25717850c26c9cd0d89d"
        ),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
            "84983e441c3bd26ebaae4aa1f95129e5e54670f1"
        ),
    ])
    func knownDigests(text: String, sha256: String, sha1: String) {
        let bytes = Array(text.utf8)
        #expect(Hex.encode(Digest.sha256(bytes)) == sha256)
        #expect(Hex.encode(Digest.sha256(text)) == sha256)
        #expect(Hex.encode(Digest.sha256(text.utf8)) == sha256)
        #expect(Hex.encode(Digest.sha256(bytes[...])) == sha256)
        #expect(Hex.encode(Digest.sha256(Data(bytes))) == sha256)
        #expect(Hex.encode(Digest.sha256(bytes.lazy.map { $0 })) == sha256, "without memory in one piece")
        #expect(Hex.encode(Digest.sha1(bytes)) == sha1)
    }

    @Test func aMillionBytes() {
        let bytes = [UInt8](repeating: UInt8(ascii: "a"), count: 1_000_000)
        #expect(
            Hex.encode(Digest.sha256(bytes)) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
        #expect(Hex.encode(Digest.sha1(bytes)) == "34aa973cd4c4daa4f61eeb2bdbad27316534016f")
    }

    /// RFC 4231, 4.2 to 4.8, but for the truncated one.
    @Test(arguments: [
        (
            [UInt8](repeating: 0x0b, count: 20), Array("Hi There".utf8),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        ),
        (
            Array("Jefe".utf8), Array("what do ya want for nothing?".utf8),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        ),
        (
            [UInt8](repeating: 0xaa, count: 20), [UInt8](repeating: 0xdd, count: 50),
            "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"
        ),
        (
            Array(1...25), [UInt8](repeating: 0xcd, count: 50),
            "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"
        ),
        (
            [UInt8](repeating: 0xaa, count: 131), Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        ),
        (
            [UInt8](repeating: 0xaa, count: 131),
            Array(
                "This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed before being used by the HMAC algorithm."
                    .utf8), "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"
        ),
    ])
    func knownCodes(key: [UInt8], message: [UInt8], code: String) {
        #expect(Hex.encode(HMAC.sha256(key: key, message)) == code)
    }

    @Test func anEmptyKeyIsNotTheKeyOfTheLastUse() {
        let empty = "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"
        _ = HMAC.sha256(key: Array("another".utf8), "text")
        #expect(Hex.encode(HMAC.sha256(key: [], "")) == empty)
        #expect(HMAC.sha256(key: Array("k".utf8), "text") == HMAC.sha256(key: Array("k".utf8), Array("text".utf8)))
    }

    @Test func comparesSecrets() {
        let secret = Array("a secret".utf8)
        #expect(isEqualInConstantTime(secret, secret))
        #expect(isEqualInConstantTime([], []))
        for other in ["", "a secre", "a secret ", "b secret", "a secreT"] {
            #expect(!isEqualInConstantTime(Array(other.utf8), secret))
            #expect(!isEqualInConstantTime(secret, Array(other.utf8)))
        }
    }

    /// Threads come and go, and each has its contexts; none takes another's.
    @Test func manyThreadsAtOnceGetTheirOwnDigests() {
        let texts = (0..<500).map { String(repeating: "\($0)", count: $0) }
        let expected = texts.map { Digest.sha256($0) }
        for _ in 0..<4 {
            DispatchQueue.concurrentPerform(iterations: texts.count) { index in
                let key = Array("key \(index)".utf8)
                let code = HMAC.sha256(key: key, texts[index])
                #expect(Digest.sha256(texts[index]) == expected[index])
                #expect(HMAC.sha256(key: key, texts[index]) == code)
            }
        }
        let threads = (0..<50).map { index in
            let thread = Thread { #expect(Digest.sha256(texts[index]) == expected[index]) }
            thread.start()
            return thread
        }
        while !threads.allSatisfy(\.isFinished) { usleep(1000) }
    }
}

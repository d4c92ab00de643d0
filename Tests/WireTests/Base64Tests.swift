import Foundation
import TestSupport
import Testing
import Wire

@Suite struct Base64Tests {
    @Test func bytesOfEveryLengthComeBackAndReadAsFoundationWritesThem() {
        var generator = SeededGenerator(seed: 1)
        for count in 0..<200 {
            let bytes = (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
            let text = Base64.encode(bytes)
            #expect(text == Data(bytes).base64EncodedString())
            #expect(Base64.decode(text) == bytes)
            #expect(Base64.encode(ArraySlice([0] + bytes).dropFirst()) == text)
            #expect(Base64.decode(" \(text) ".dropFirst().dropLast()) == bytes)
            #expect(Base64.encode(AnyCollection(bytes)) == text)
        }
    }

    @Test(arguments: [
        "=", "==", "====", "Q", "QQ", "QQ=", "Q===", "QQ=A", "QQ==QQ==", "Q=Q=", "QUJD\n", "QUJDQUJ\r\n", "QU JD",
        "QU-_",
        "\0QUJ", "QUJ\u{e9}", "QQ\u{300}==",
    ])
    func whatIsNoBase64IsRefused(text: String) { #expect(Base64.decode(text) == nil) }

    @Test func bitsBehindTheLastByteCountForNothing() {
        #expect(Base64.decode("QR==") == [65])
        #expect(Base64.decode("QUJ=") == [65, 66])
    }
}

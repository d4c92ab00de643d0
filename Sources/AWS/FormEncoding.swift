import Wire

/// Percent-encoding as AWS requires (RFC 3986: all but unreserved characters).
public enum FormEncoding {
    private static let unreserved = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~".utf8)

    /// Percent-encodes all but unreserved characters (RFC 3986, section 2.3).
    public static func encode(_ text: String) -> String {
        var output: [UInt8] = []
        for byte in text.utf8 {
            if unreserved.contains(byte) {
                output.append(byte)
            } else {
                output.append(UInt8(ascii: "%"))
                output.append(contentsOf: Hex.encode(CollectionOfOne(byte)).uppercased().utf8)
            }
        }
        return String(decoding: output, as: UTF8.self)
    }

    /// Encodes names and values as the body of a form.
    public static func form(_ parameters: [(String, String)]) -> String {
        parameters.map { "\(encode($0))=\(encode($1))" }.joined(separator: "&")
    }
}

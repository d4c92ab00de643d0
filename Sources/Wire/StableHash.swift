/// A hash that is the same in every process, on every machine and in every version. Decides the lane of a key and
/// whether it is in a sample.
///
/// FNV-1a over the UTF-8 bytes with the finalizer of MurmurHash3, which distributes it evenly over 64 bits.
public func stableHash(_ text: String) -> UInt64 {
    var text = text
    return text.withUTF8 { stableHash($0) }
}

/// Returns the `stableHash` of these bytes of a text.
public func stableHash(_ bytes: UnsafeBufferPointer<UInt8>) -> UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in bytes {
        hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3
    }
    hash = (hash ^ (hash >> 33)) &* 0xff51_afd7_ed55_8ccd
    hash = (hash ^ (hash >> 33)) &* 0xc4ce_b9fe_1a85_ec53
    return hash ^ (hash >> 33)
}

/// Reading and changing what stands at a path of names. Names are found as a Go program finds them, without regard to case, the
/// last of several.
extension JSONTree {
    /// What stands at a path; nil where there is nothing.
    public func value(at path: ArraySlice<String>) -> JSONTree? {
        guard let name = path.first else { return self }
        guard case .object(let members) = self, let index = Self.index(of: name, in: members) else { return nil }
        return members[index].value.value(at: path.dropFirst())
    }

    /// Puts a value at a path; objects on the way are made where there is nothing or null.
    ///
    /// - Returns: false where something that is no object stands in the way; nothing is changed then.
    public mutating func set(_ value: JSONTree, at path: ArraySlice<String>) -> Bool {
        guard let name = path.first else {
            self = value
            return true
        }
        var members: [Member]
        switch self {
        case .object(let present): members = present
        case .null: members = []
        default: return false
        }
        if let index = Self.index(of: name, in: members) {
            guard members[index].value.set(value, at: path.dropFirst()) else { return false }
        } else {
            var inner = JSONTree.null
            guard inner.set(value, at: path.dropFirst()) else { return false }
            members.append(Member(name, inner))
        }
        self = .object(members)
        return true
    }

    /// Takes away what stands at a path, every one of several; returns the last, nil where there was nothing.
    public mutating func remove(at path: ArraySlice<String>) -> JSONTree? {
        guard let name = path.first, case .object(var members) = self,
            let index = Self.index(of: name, in: members)
        else { return nil }
        let removed: JSONTree?
        if path.count == 1 {
            removed = members[index].value
            let folded = name.lowercased()
            members.removeAll { $0.key.lowercased() == folded }
        } else {
            removed = members[index].value.remove(at: path.dropFirst())
        }
        self = .object(members)
        return removed
    }

    private static func index(of name: String, in members: [Member]) -> Int? {
        let folded = name.lowercased()
        return members.lastIndex { $0.key == name || $0.key.lowercased() == folded }
    }
}

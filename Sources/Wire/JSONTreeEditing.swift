/// Reads and changes values at a path of names. Names are matched as in Go: case-insensitive, the last of duplicates.
extension JSONTree {
    /// Returns the value at a path; nil if there is none.
    public func value(at path: ArraySlice<String>) -> JSONTree? {
        guard let name = path.first else { return self }
        guard case .object(let members) = self, let index = Self.index(of: name, in: members) else { return nil }
        return members[index].value.value(at: path.dropFirst())
    }

    /// Sets the value at a path, and creates missing objects.
    ///
    /// - Returns: false, without a change, if something on the path is no object.
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

    /// Removes the value at a path with all duplicates; returns the last, or nil.
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

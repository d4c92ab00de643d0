/// Finds the word nearest to a misspelt one, if it is near enough.
enum Suggestion {
    /// Returns `. Did you mean 'x'?`, or an empty text.
    static func text(for word: String, among candidates: [String]) -> String {
        nearest(to: word, among: candidates).map { ". Did you mean '\($0)'?" } ?? ""
    }

    static func nearest(to word: String, among candidates: [String]) -> String? {
        let meant = letters(word)
        guard meant.count > 1 else { return nil }
        let begun = candidates.filter { letters($0).starts(with: meant) }
        if begun.count == 1 { return begun[0] }
        return
            candidates
            .map { (name: $0, distance: distance(meant, letters($0)), count: letters($0).count) }
            .filter { $0.distance <= max(1, max(meant.count, $0.count) / 3) }
            .min { ($0.distance, $0.name) < ($1.distance, $1.name) }?.name
    }

    /// Returns the letters to compare: without leading dashes and case, and limited in length.
    private static func letters(_ word: String) -> [Character] {
        Array(word.lowercased().drop { $0 == "-" }.prefix(64))
    }

    /// Returns the number of insertions, deletions, replacements and swaps of neighbours between two words.
    private static func distance(_ left: [Character], _ right: [Character]) -> Int {
        guard !left.isEmpty, !right.isEmpty else { return max(left.count, right.count) }
        var beforePrevious: [Int] = []
        var previous = Array(0...right.count)
        for row in 1...left.count {
            var current = [row]
            for column in 1...right.count {
                let replaced = previous[column - 1] + (left[row - 1] == right[column - 1] ? 0 : 1)
                var best = min(previous[column] + 1, current[column - 1] + 1, replaced)
                if row > 1, column > 1, left[row - 1] == right[column - 2], left[row - 2] == right[column - 1] {
                    best = min(best, beforePrevious[column - 2] + 1)
                }
                current.append(best)
            }
            (beforePrevious, previous) = (previous, current)
        }
        return previous[right.count]
    }
}

import Arguments
import Locking
import PipelineKit
import Wire

/// The attributes for every message of a list.
struct AttributeArguments: ArgumentGroup {
    @Arguments.Option(
        name: .customLong("attribute"),
        help: ArgumentHelp("An attribute for every message. May be repeated.", valueName: "name=value"))
    var attributes: [String] = []

    /// Returns the attributes by name.
    func map() throws -> [String: String] {
        var map: [String: String] = [:]
        for attribute in attributes {
            guard let equals = attribute.firstIndex(of: "="), equals != attribute.startIndex else {
                throw ValidationError("--attribute: '\(attribute)' is no attribute such as scytale.env=production")
            }
            map[String(attribute[..<equals])] = String(attribute[attribute.index(after: equals)...])
        }
        return map
    }
}

import HTTP
import PipelineKit
import Wire

extension OptionType where Value == ListenAddress {
    /// The address a server listens at.
    static let listenAddress = OptionType<String>.string.map(named: "address") { text in
        guard let address = ListenAddress(text) else {
            throw OptionError("'\(text)' is no address to listen on; write it like \":6700\" or \"127.0.0.1:6700\"")
        }
        return address
    }
}

extension OptionType where Value == FieldPath {
    /// The path of a field in a record.
    static let fieldPath = OptionType<String>.string.map(named: "field") { text in
        guard let path = FieldPath(text) else { throw OptionError("'\(text)' is no field such as config.url") }
        return path
    }
}

extension OptionType where Value == HTTPAddress {
    /// The URL of a server, without query and fragment.
    static let httpAddress = OptionType<String>.string.map(named: "URL") { text in
        guard let address = HTTPAddress(text) else {
            throw OptionError("'\(text)' is no URL such as http://localhost:6600 or https://argus.example.net")
        }
        return address
    }
}

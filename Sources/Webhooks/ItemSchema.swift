import Wire

/// The format of an item's data, by the generation of its readers.
public enum ItemSchema: String, Sendable, CaseIterable {
    /// Read by ancla up to 0.3.x: Caduceus up to at least 0.9, Tr1d1um 0.6 and 0.7.
    case webhook
    /// Read by ancla 0.4 and later: the newest Tr1d1um.
    case wrpEventStream = "wrp_event_stream_schema_v1"
}

extension Webhook {
    /// Returns the data of the webhook's item as JSON.
    public func itemData(partnerIDs: [String], schema: ItemSchema) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(512)
        JSONWriter.append("{\"PartnerIDs\":", to: &output)
        JSONWriter.append(strings: partnerIDs, to: &output)
        switch schema {
        case .webhook: JSONWriter.append(",\"Webhook\":", to: &output)
        case .wrpEventStream: JSONWriter.append(",\"wrp_event_stream_schema_v1\":", to: &output)
        }
        appendRecord(schema: schema, to: &output)
        JSONWriter.append("}", to: &output)
        return output
    }

    /// Returns the webhook's record alone, as it is published.
    public func record(schema: ItemSchema) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(512)
        appendRecord(schema: schema, to: &output)
        return output
    }

    private func appendRecord(schema: ItemSchema, to output: inout [UInt8]) {
        JSONWriter.append("{\"registered_from_address\":", to: &output)
        JSONWriter.append(string: registeredFromAddress, to: &output)
        JSONWriter.append(",\"config\":{\"url\":", to: &output)
        JSONWriter.append(string: url, to: &output)
        JSONWriter.append(",\"content_type\":", to: &output)
        JSONWriter.append(string: contentType, to: &output)
        if !secret.isEmpty {
            JSONWriter.append(",\"secret\":", to: &output)
            JSONWriter.append(string: secret, to: &output)
        }
        if !alternativeURLs.isEmpty {
            JSONWriter.append(",\"alt_urls\":", to: &output)
            JSONWriter.append(strings: alternativeURLs, to: &output)
        }
        JSONWriter.append("},\"failure_url\":", to: &output)
        JSONWriter.append(string: failureURL, to: &output)
        JSONWriter.append(",\"events\":", to: &output)
        JSONWriter.append(strings: events, to: &output)
        JSONWriter.append(",\"matcher\":{\"device_id\":", to: &output)
        JSONWriter.append(strings: deviceIDs, to: &output)
        JSONWriter.append("},\"duration\":", to: &output)
        switch schema {
        case .webhook: JSONWriter.append(integer: duration, to: &output)
        case .wrpEventStream: JSONWriter.append(string: GoDuration.format(nanoseconds: duration), to: &output)
        }
        JSONWriter.append(",\"until\":", to: &output)
        JSONWriter.append(string: RFC3339.format(until), to: &output)
        JSONWriter.append("}", to: &output)
    }
}

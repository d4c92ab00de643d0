import Foundation
import Testing
import Wire

@testable import Telemetry

@Suite struct LoggingTests {
    private let event = LogEvent(
        level: .notice, message: "it \"runs\"\n", metadata: ["b": "2 3", "a": "new"], source: "PipelineKit")

    @Test func aLineOfTextHasTheMetadataOfBothInOrder() {
        var handler = TextLogHandler(label: "hecate", level: .info)
        handler[metadataKey: "a"] = "old"
        handler[metadataKey: "c"] = "x"
        let line = handler.line(event, at: 1_700_000_000)
        #expect(line.hasSuffix(" notice hecate: a=new b=2 3 c=x [PipelineKit] it \"runs\"\n\n"))
        #expect(line.prefix(24).wholeMatch(of: #/2023-11-1[45]T\d\d:\d\d:20[+-]\d{4}/#) != nil)
    }

    @Test func aLineOfJSONHasTheSame() {
        var handler = JSONLogHandler(label: "x", level: .warning)
        handler[metadataKey: "a"] = "old"
        #expect(handler[metadataKey: "a"]?.description == "old")
        #expect(handler.logLevel == .warning)
        #expect(
            handler.line(event, at: Timestamp(seconds: 0, nanoseconds: 5))
                == #"{"time":"1970-01-01T00:00:00.000000005Z","level":"notice","logger":"x","message":"it \"runs\"\n","#
                + #""a":"new","b":"2 3"}"# + "\n")
    }

    @Test func whatIsBelowTheLevelIsNotEvenMade() {
        let log = RecordedLog()
        var logger = log.logger(level: .warning)
        logger[metadataKey: "pipeline"] = "p"
        func never() -> Logger.Message {
            Issue.record("the text of an entry that is not written was made")
            return ""
        }
        logger.info(never())
        logger.warning("one", metadata: ["n": "\(1)"])
        logger.logLevel = .trace
        logger.trace("two")
        logger.log(level: .critical, "three", source: "here")
        #expect(log.events.map { "\($0.level) \($0.message)" } == ["warning one", "trace two", "critical three"])
        #expect(log.events.map(\.source) == ["TelemetryTests", "TelemetryTests", "here"])
        #expect(log.events[0].metadata?.mapValues(\.description) == ["pipeline": "p", "n": "1"])
    }

    @Test func aCopyOfALoggerHasMetadataOfItsOwn() {
        let log = RecordedLog()
        let first = log.logger()
        var second = first
        second[metadataKey: "a"] = ["x", "y"]
        first.error("1")
        second.error("2")
        #expect(log.events.map { $0.metadata?["a"]?.description } == [nil, #"["x", "y"]"#])
    }

    @Test func levelsAreInOrderAndHaveTheirNames() {
        #expect(
            Logger.Level.allCases.sorted().map(\.rawValue)
                == ["trace", "debug", "info", "notice", "warning", "error", "critical"])
        #expect(Logger.Level(rawValue: "warn") == nil)
    }
}

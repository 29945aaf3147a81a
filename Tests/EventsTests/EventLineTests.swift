// SPDX-License-Identifier: Apache-2.0
import Events
import Foundation
import TestSupport
import Testing

/// A line read again is the event that was written.
@Suite struct EventLineTests {
  /// The line that a line's event gives again.
  static func again(_ line: EventLine, pageSizeBytes: Int = 4096) -> String? {
    guard let event = line.event else { return nil }
    var encoder = NDJSONEncoder(host: line.host, bootID: line.bootID, pageSizeBytes: pageSizeBytes)
    return String(decoding: encoder.line(event, at: line.time).dropLast(), as: UTF8.self)
  }

  @Test("every sample comes back as it went", arguments: Samples.full + Samples.minimal)
  func samplesComeBack(event: Event) throws {
    let written = EncoderTests.line(event)
    let line = try EventLine(Array(written.utf8))
    #expect(EventLineTests.again(line) == written)
    #expect(line.time == EncoderTests.time)
    #expect(line.host == "node-1")
    #expect(line.sequence == 1)
    // What is worked out again is all that the text cannot say: points without parts, the candidate's own group.
    if event != .oomKill(Samples.fullKill) { #expect(line.event.map { EncoderTests.line($0) } == written) }
  }

  @Test("of an unlimited cgroup and of an unknown user too")
  func unlimited() throws {
    var kill = Samples.minimalKill
    kill.limit = Samples.unlimited
    let written = EncoderTests.line(.oomKill(kill))
    #expect(try EventLine(Array(written.utf8)).event == .oomKill(kill))
  }

  /// What the tracer told of real kills in guests.
  static let recorded = Repository.files(below: "Tests/VM/Fixtures", ending: ["trace.ndjson"])

  @Test("every event of a real stream comes back as it was told", arguments: recorded)
  func realStreams(path: String) throws {
    let text = try #require(Files.text(Repository.root + "/" + path))
    for line in text.split(separator: "\n") {
      let read = try EventLine(Array(line.utf8))
      let again = try #require(EventLineTests.again(read), "\(line)")
      // Numbers count anew, and the sentence is today's.
      let old = Line.all(in: String(line))[0].object.filter { $0.key != "seq" && $0.key != "explanation" }
      let new = Line.all(in: again)[0].object.filter { $0.key != "seq" && $0.key != "explanation" }
      #expect(old as NSDictionary == new as NSDictionary, "\(line)\n\(again)")
    }
  }

  @Test("fields may come in any order, and those that are not known are passed over")
  func order() throws {
    let line = try EventLine(
      Array(
        #"{"victim":{"x":[1],"comm":"hog","pid":7},"source":"log","decision":{"id":2},"new":{},"type":"oom_kill"}"#.utf8
      ))
    guard case .oomKill(let kill)? = line.event else { return #expect(Bool(false), "no kill") }
    #expect(kill.victim.pid == 7)
    #expect(kill.decision.id == 2)
  }

  static let lacking = [
    "{}", #"{"type":"oom_kill"}"#, #"{"type":"new_type","victim":{"pid":1,"comm":"x"}}"#,
    #"{"type":"oom_kill","source":"log","decision":{"id":1},"victim":{"pid":99999999999,"comm":"x"}}"#,
    #"{"type":"oom_kill","source":"magic","decision":{"id":1},"victim":{"pid":1,"comm":"x"}}"#,
    #"{"type":"loss","reason":"ring_full"}"#, #"{"type":"pressure","level":"low"}"#, "[]", "3",
  ]

  @Test("what lacks what it must have is no event", arguments: lacking)
  func isNoEvent(text: String) throws { #expect(try EventLine(Array(text.utf8)).event == nil) }

  /// What a line may say and an event cannot: left out when it is read, so that it is not half of an event.
  static let beyond: [(said: String, read: String)] = [
    (#""trigger":{"cgroup":{"version":2}}"#, #""trigger":{}"#),
    (#""badness":{"points_source":"kernel","breakdown":{}}"#, #""badness":{"breakdown":{}}"#),
    (
      #""candidates":{"considered":1,"list":[{"pid":1,"comm":"a","points_source":"kernel"}]}"#,
      #""candidates":{"considered":1,"list":[{"pid":1,"comm":"a"}]}"#
    ),
  ]

  @Test("what a line says and no event holds is left out", arguments: beyond)
  func leavesOut(said: String, read: String) throws {
    let head = #"{"type":"oom_kill","source":"log","decision":{"id":1},"victim":{"pid":1,"comm":"x"},"#
    let event = try EventLine(Array("\(head)\(said)}".utf8)).event
    let other = try EventLine(Array("\(head)\(read)}".utf8)).event
    #expect(event != nil && event == other)
    let written = try #require(event.map { EncoderTests.line($0) })
    #expect(try EventLine(Array(written.utf8)).event == event)
  }

  static let broken = ["", "{", #"{"type":"#, #"{"type":"oom_kill"} x"#, "{\"a\":\"\u{1}\"}", "nul"]

  @Test("what is no JSON is an error", arguments: broken)
  func isNoJSON(text: String) { #expect(throws: JSONReader.Fault.self) { try EventLine(Array(text.utf8)) } }
}

/// Times as people and programs write them.
@Suite struct RFC3339ReadingTests {
  static let times: [(String, Int64?)] = [
    ("1970-01-01T00:00:00Z", 0), ("2026-11-24T21:13:57.000000001Z", 1_795_554_837_000_000_001),
    ("2026-11-24T21:13:57.5Z", 1_795_554_837_500_000_000), ("2026-11-25T06:13:57+09:00", 1_795_554_837_000_000_000),
    ("2026-11-24 21:13:57Z", 1_795_554_837_000_000_000), ("1969-12-31T23:59:59.25Z", -750_000_000),
    ("2024-02-29T00:00:00Z", 1_709_164_800_000_000_000), ("2023-02-29T00:00:00Z", nil), ("2026-13-01T00:00:00Z", nil),
    ("2026-11-24T24:00:00Z", nil), ("2026-11-24T21:13:57", nil), ("2026-11-24T21:13:57.Z", nil),
    ("2026-11-24T21:13:57.0000000001Z", nil), ("9999-01-01T00:00:00Z", nil), ("", nil), ("now", nil),
    ("2026-11-24T21:13:57Z ", nil), ("2026-11-24T21:13:57+9:00", nil), ("-026-11-24T21:13:57Z", nil),
  ]

  @Test("a time is read, or it is none", arguments: times)
  func reads(text: String, nanoseconds: Int64?) { #expect(RFC3339.nanoseconds(text) == nanoseconds) }

  @Test("what is written is read again")
  func again() {
    for step in stride(
      from: Int64(-4_000_000_000_000_000_000), to: 9_000_000_000_000_000_000, by: 7_777_777_777_777_777)
    {
      #expect(RFC3339.nanoseconds(RFC3339.text(wallNanoseconds: step)) == step)
    }
  }
}

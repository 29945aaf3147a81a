// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import TestSupport
import Testing

/// docs/schema/oomwitness.v1.schema.json against the lines that the encoder writes, both ways.
@Suite(.enabled(if: Python.mayRun, Comment(rawValue: Python.refusal ?? "")))
struct SchemaTests {
  static let schema = Repository.root + "/docs/schema/oomwitness.v1.schema.json"

  /// Says one line of output for each thing that the schema refuses: `LINE PATH: what`.
  static let validate = """
    import json, sys
    from jsonschema import Draft202012Validator
    schema = json.load(open(sys.argv[1]))
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    lines = 0
    for path in sys.argv[2:]:
        for number, line in enumerate(open(path, newline="\\n"), 1):
            lines += 1
            for error in validator.iter_errors(json.loads(line)):
                print(number, "/".join(map(str, error.absolute_path)) + ":", error.message[:200])
    print("lines:", lines)
    """

  /// Compares the fields that occur in the lines with those that the schema has, as paths, and wants each described.
  static let compare = """
    import json, sys
    schema = json.load(open(sys.argv[1]))
    def resolve(node):
        while "$ref" in node:
            target = schema
            for key in node["$ref"][2:].split("/"): target = target[key]
            node = target
        return node
    known, used = set(), set()
    def walk(node, path):
        node = resolve(node)
        for name, child in node.get("properties", {}).items():
            known.add(path + "." + name)
            if not (child.get("description") or resolve(child).get("description")):
                print("no description:", path + "." + name)
            walk(child, path + "." + name)
        if "properties" in node and node is not schema["$defs"]["envelope"]:
            if node.get("additionalProperties") is not False: print("open:", path)
        if "items" in node: walk(node["items"], path)
    def collect(value, path):
        if isinstance(value, list):
            for item in value: collect(item, path)
        elif isinstance(value, dict):
            for name, item in value.items():
                used.add(path + "." + name)
                collect(item, path + "." + name)
    names = schema["$defs"]["envelope"]["properties"]["type"]["enum"]
    for name in names: walk(schema["$defs"][name], name)
    for line in open(sys.argv[2], newline="\\n"):
        event = json.loads(line)
        collect(event, event["type"])
    for path in sorted(known - used): print("never written:", path)
    for path in sorted(used - known): print("not in the schema:", path)
    print("fields:", len(known) > 100)
    """

  /// Values of each enumeration of the schema, sorted: `NAME: A B C`.
  static let enumerations = """
    import json, sys
    for name, node in sorted(json.load(open(sys.argv[1]))["$defs"].items()):
        if "enum" in node: print(name + ":", *sorted(node["enum"]))
    """

  /// One event more for each case of each enumeration.
  static var events: [Event] {
    var events = Samples.full + Samples.minimal
    for source in Source.allCases {
      var kill = Samples.minimalKill
      kill.source = source
      events.append(.oomKill(kill))
    }
    for scope in Scope.allCases {
      var kill = Samples.fullKill
      kill.scope = scope
      kill.limit = Samples.unlimited
      events.append(.oomKill(kill))
    }
    for path in Decision.Path.allCases {
      var kill = Samples.fullKill
      kill.decision.path = path
      kill.trigger?.order = path == .sysrq ? -1 : 3
      events.append(.oomKill(kill))
    }
    for role in Victim.Role.allCases {
      var kill = Samples.fullKill
      kill.victim.role = role
      kill.victim.kernelCount = role == .sharesMemory ? 0 : 1
      events.append(.oomKill(kill))
    }
    for source in PointsSource.allCases {
      var kill = Samples.fullKill
      kill.badness?.points = -62_569
      kill.badness?.pointsSource = source
      kill.badness?.parts.anonPages = 0
      events.append(.oomKill(kill))
    }
    for reason in SkipReason.allCases {
      var kill = Samples.fullKill
      kill.candidates?.list[1].skipped = reason
      events.append(.oomKill(kill))
    }
    for reaper in OOMOutcome.Reaper.allCases {
      var outcome = Samples.fullOutcome
      outcome.reaper = reaper
      events.append(.oomOutcome(outcome))
    }
    var noKill = Samples.fullNoKill
    noKill.trigger?.cgroup = Samples.brokenGroup
    noKill.limit = Samples.unlimited
    events.append(.oomNoKill(noKill))
    var kill = Samples.fullKill
    kill.trigger?.cgroup = Samples.brokenGroup
    events.append(.oomKill(kill))
    for reason in OOMNoKill.Reason.allCases { events.append(.oomNoKill(OOMNoKill(reason: reason, source: .fentry))) }
    for cause in PolicyAction.Cause.allCases {
      var action = Samples.minimalAction
      action.cause = cause
      events.append(.policyAction(action))
    }
    for level in PressureLevel.allCases {
      var event = Samples.minimalPressure
      (event.level, event.causes) = (level, PressureCause.allCases)
      events.append(.pressure(event))
    }
    for action in PressureEvent.Cleanup.Action.allCases {
      var event = Samples.minimalPressure
      event.cleanup = .init(action: action, availableBeforePages: 1, availableAfterPages: 2, milliseconds: 0)
      events.append(.pressure(event))
    }
    for outcome in GuardAction.Outcome.allCases {
      var action = Samples.minimalGuardAction
      action.outcome = outcome
      action.signal = .SIGKILL
      events.append(.guardAction(action))
    }
    for cause in GuardAction.Threshold.Cause.allCases {
      var action = Samples.minimalGuardAction
      action.threshold = GuardAction.Threshold(cause: cause)
      action.cgroup = Samples.group
      events.append(.guardAction(action))
    }
    for reason in Loss.Reason.allCases {
      events.append(.loss(Loss(reason: reason, kernelCount: 1, records: 1, detail: "d")))
    }
    return events
  }

  /// A stream of `events` in a file that the caller removes.
  static func lines(_ events: [Event]) -> String {
    var encoder = NDJSONEncoder(
      host: "node-1", bootID: "7db7ddf7-32e0-41fc-9727-0f43a0f95d5a", stream: "0123456789abcdef", pageSizeBytes: 4096)
    return events.map { String(decoding: encoder.line($0, at: EncoderTests.time), as: UTF8.self) }.joined()
  }

  /// What a script says of lines, by way of a file.
  static func judged(_ script: String, _ lines: String) -> String {
    let path = Python.temporaryFile(lines)
    defer { unlink(path) }
    return Python.run(script, [schema, path]).output
  }

  @Test("every event of every type, full and minimal and with each case, is what the schema allows")
  func everyEvent() {
    let events = SchemaTests.events
    #expect(SchemaTests.judged(SchemaTests.validate, SchemaTests.lines(events)) == "lines: \(events.count)\n")
  }

  @Test("the schema has each field that is written and none besides, and describes them all")
  func sameFields() {
    let said = SchemaTests.judged(SchemaTests.compare, SchemaTests.lines(SchemaTests.events))
    #expect(said == "fields: True\n")
  }

  @Test("the schema's enumerations are those of the source")
  func sameEnumerations() {
    func line<Value: CaseIterable & RawRepresentable>(_ name: String, _: Value.Type) -> String
    where Value.RawValue == String {
      "\(name): \(Value.allCases.map(\.rawValue).sorted().joined(separator: " "))\n"
    }
    let levels = PressureLevel.allCases.map(\.name).sorted().joined(separator: " ")
    let expected = [
      line("cleanup_action", PressureEvent.Cleanup.Action.self), line("decision_path", Decision.Path.self),
      line("guard_cause", GuardAction.Threshold.Cause.self), line("guard_outcome", GuardAction.Outcome.self),
      line("loss_reason", Loss.Reason.self),
      line("no_kill_reason", OOMNoKill.Reason.self), line("points_source", PointsSource.self),
      line("policy_cause", PolicyAction.Cause.self), line("policy_outcome", PolicyAction.Outcome.self),
      line("pressure_cause", PressureCause.self), "pressure_level: \(levels)\n",
      line("reaper_state", OOMOutcome.Reaper.self), line("scope", Scope.self), line("skip_reason", SkipReason.self),
      line("source", Source.self), line("victim_role", Victim.Role.self),
    ]
    #expect(Python.run(SchemaTests.enumerations, [SchemaTests.schema]).output == expected.joined())
  }

  /// Real streams of real kernels, and events made of real logs; those of the corpus lack what CorpusTests leaves out.
  @Test("lines that real kernels gave are what the schema allows")
  func realLines() {
    let find = """
      import glob, sys
      paths = sorted(glob.glob(sys.argv[1] + "/Tests/**/*.ndjson", recursive=True))
      print(*(path for path in paths if "/Corpus/" not in path), sep="\\n")
      """
    let paths = Python.run(find, [Repository.root]).output.split(separator: "\n").map(String.init)
    let said = Python.run(SchemaTests.validate, [SchemaTests.schema] + paths).output
    let count = paths.compactMap(Files.text).joined().utf8.count { $0 == 0x0a }
    #expect(count > 10)
    #expect(said == "lines: \(count)\n")
  }

  struct Mutation: Sendable, CustomTestStringConvertible {
    var event: Event
    var from: String
    var to: String
    /// Where the schema finds it wrong.
    var place: String
    var testDescription: String { "\(event.typeName): \(from) -> \(to)" }
  }

  static let mutationRows: [Mutation] = [
    Mutation(event: .loss(Samples.fullLoss), from: #","seq":1"#, to: "", place: "1 : 'seq' is a required"),
    Mutation(event: .loss(Samples.fullLoss), from: #""seq":1"#, to: #""seq":0"#, place: "1 seq: 0 is less"),
    Mutation(event: .loss(Samples.fullLoss), from: #""seq":1"#, to: #""seq":"1""#, place: "1 seq: '1' is not of"),
    Mutation(event: .loss(Samples.fullLoss), from: "oomwitness.v1", to: "oomwitness.v2", place: "1 schema: "),
    Mutation(event: .loss(Samples.fullLoss), from: #""type":"loss""#, to: #""type":"rumour""#, place: "1 type: "),
    Mutation(event: .loss(Samples.fullLoss), from: "00001Z", to: "00001+01:00", place: "1 time: "),
    Mutation(event: .loss(Samples.fullLoss), from: #""host":"node-1","#, to: "", place: "1 : 'host' is a required"),
    Mutation(event: .loss(Samples.fullLoss), from: "vmstat_mismatch", to: "tired", place: "1 reason: "),
    Mutation(event: .loss(Samples.fullLoss), from: #""records":0"#, to: #""records":-1"#, place: "1 records: "),
    Mutation(
      event: .loss(Samples.fullLoss), from: #""records":0"#, to: #""records":0,"extra":1"#,
      place: "1 : Additional properties are not allowed ('extra'"),
    Mutation(
      event: .streamStart(Samples.fullStart), from: #""attached":true"#, to: #""attached":1"#,
      place: "1 probes/0/attached: "),
    Mutation(event: .streamEnd(Samples.fullEnd), from: #""kills":7,"#, to: "", place: "1 : 'kills' is a required"),
    Mutation(
      event: .oomOutcome(Samples.fullOutcome), from: #""exited":true,"#, to: "", place: "1 : 'exited' is a required"),
    Mutation(
      event: .pressure(Samples.fullPressure), from: #""level":"critical""#, to: #""level":"dire""#, place: "1 level: "),
    Mutation(
      event: .pressure(Samples.fullPressure), from: #""used_percent":98.77"#, to: #""used_percent":198.77"#,
      place: "1 used_percent: "),
    Mutation(
      event: .pressure(Samples.fullPressure), from: #""page_size":4096,"#, to: "",
      place: "1 : 'page_size' is a required"),
    Mutation(
      event: .pressure(Samples.cleanup), from: #""wanted_pages":512"#, to: #""wanted_pages":0"#,
      place: "1 cleanup/wanted_pages: "),
    Mutation(
      event: .oomNoKill(Samples.fullNoKill), from: #""repeated":17"#, to: #""repeated":0"#, place: "1 repeated: "),
    Mutation(
      event: .oomKill(Samples.fullKill), from: #""kernel_count":2,"#, to: "",
      place: "1 victim: 'kernel_count' is a required"),
    Mutation(
      event: .oomKill(Samples.fullKill), from: #""role":"chosen""#, to: #""role":"bystander""#,
      place: "1 victim/role: "),
    Mutation(
      event: .oomKill(Samples.fullKill), from: #""comm_hex":"68ff""#, to: #""comm_hex":"68FF""#,
      place: "1 trigger/comm_hex: "),
    Mutation(
      event: .oomKill(Samples.fullKill), from: #""limit_pages":8192"#, to: #""limit_pages":"max""#,
      place: "1 limit/limit_pages: "),
    Mutation(
      event: .oomKill(Samples.fullKill), from: #""limit_pages":8192"#, to: #""limit_pages":8192,"unlimited":true"#,
      place: "1 limit: "),
    Mutation(
      event: .oomKill(Samples.fullKill), from: #""eligible":true"#, to: #""eligible":false"#,
      place: "1 candidates/list/0: 'skipped' is a required"),
    Mutation(
      event: .oomKill(Samples.fullKill), from: #""anon_pages":8101"#, to: #""anon_pages":-1"#,
      place: "1 badness/breakdown/anon_pages: "),
    Mutation(
      event: .oomKill(Samples.fullKill), from: #""avg10":12.05"#, to: #""avg10":12.05,"avg900":1"#,
      place: "1 pressure_stall/some: Additional properties"),
  ]

  @Test(
    "a line with an unknown field, a wrong type, a wrong value or a field missing is refused, and for that",
    arguments: mutationRows)
  func mutations(row: Mutation) {
    let line = SchemaTests.lines([row.event])
    let range = line.firstRange(of: row.from)
    #expect(range != nil)
    guard let range else { return }
    let mutated = line[..<range.lowerBound] + row.to + line[range.upperBound...]
    let said = SchemaTests.judged(SchemaTests.validate, String(mutated))
    #expect(said.hasPrefix(row.place), "\(said)")
  }
}

// SPDX-License-Identifier: Apache-2.0
import Events
import Testing

/// What those who pass lines on read in them.
@Suite struct LineFactsTests {
  private static func facts(_ event: Event) -> LineFacts {
    var encoder = NDJSONEncoder(host: "vm", bootID: "b", pageSizeBytes: 4096)
    let time = EventTime(wallNanoseconds: 1_795_554_837_000_000_001, monotonicNanoseconds: 7)
    return LineFacts(encoder.line(event, at: time))
  }

  @Test("the envelope of each line is read, and a sentence is made of each")
  func envelopes() {
    for event in Samples.full + Samples.minimal {
      let facts = LineFactsTests.facts(event)
      #expect(facts.type == event.typeName.description && facts.host == "vm" && facts.bootID == "b")
      #expect(facts.wallNanoseconds == 1_795_554_837_000_000_001 && facts.monotonicNanoseconds == 7)
      #expect(facts.sequence == 1)
      #expect((2...6).contains(facts.severity))
      if case .loss(Samples.minimalLoss) = event { continue }
      #expect(facts.sentence.hasSuffix(".") || facts.detail != nil, "\(facts.sentence)")
    }
  }

  @Test("a moment before the boot is none, and whoever counts from it does not fall off the numbers")
  func moments() {
    let moments: [(String, Int64?)] = [
      ("0", 0), ("-1", nil), ("-9223372036854775808", nil), ("9223372036854775807", .max),
    ]
    for (text, moment) in moments {
      let line = #"{"type":"oom_kill","monotonic_ns":\#(text),"victim":{"pid":1,"comm":"a"}}"#
      #expect(LineFacts(Array(line.utf8)).monotonicNanoseconds == moment, "\(text)")
    }
  }

  @Test("a kill says whom it is about, with all bytes of its names")
  func kill() {
    let facts = LineFactsTests.facts(.oomKill(Samples.fullKill))
    #expect(facts.decisionID == 3 && facts.scope == "memcg" && facts.source == "kprobe" && facts.severity == 3)
    #expect(facts.subject.pid == 42 && facts.subject.comm == Samples.broken && facts.subject.user == "maria")
    #expect(facts.subject.kernelCount == 2 && facts.subject.cgroup == Samples.brokenGroup.path)
    #expect(facts.subject.unit == "hog.service" && facts.subject.container?.name == "shop-web-1")
    #expect(facts.subject.container?.runtime == "podman" && facts.subject.container?.image == "shop/web:7")
    #expect(facts.subject.pod?.namespace == "shop" && facts.subject.pod?.pod == "cart-0")
    #expect(facts.subject.pod?.container == "web")
    #expect(facts.subject.pod?.podUID == "11234567-89ab-cdef-0123-456789abcdef")
    #expect(facts.sentence == facts.explanation)
    let bare = LineFactsTests.facts(.oomKill(Samples.minimalKill))
    #expect(bare.subject.comm == KernelName("hog") && bare.subject.cgroup == nil && bare.subject.pod == nil)
  }

  @Test("others say whom they are about as well: a policy's process, a guard's victim, the group under pressure")
  func subjects() {
    #expect(LineFactsTests.facts(.policyAction(Samples.fullAction)).subject.unit == "hog.service")
    #expect(
      LineFactsTests.facts(.oomOutcome(Samples.minimalOutcome)).sentence
        == "hog (pid 42) was killed for memory and has not ended yet.")
    #expect(LineFactsTests.facts(.oomOutcome(Samples.fullOutcome)).decisionID == Int64(Samples.fullOutcome.decisionID))
    let guarded = LineFactsTests.facts(.guardAction(Samples.fullGuardAction))
    #expect(guarded.subject.pid == Samples.fullGuardAction.victim.map { Int64($0.pid) })
    #expect(guarded.subject.cgroup == Samples.fullGuardAction.victim?.cgroup?.path)
    let pressure = LineFactsTests.facts(.pressure(Samples.fullPressure))
    #expect(pressure.level == Samples.fullPressure.level.name)
    #expect(pressure.subject.cgroup == Samples.fullPressure.reading.cgroup?.path)
  }

  @Test(
    "of what is no line of ours nothing is known, and nothing breaks",
    arguments: [
      "", "\n", "x", "{", #"{"type":"#, #"{"type":7,"victim":[],"decision":"x","seq":"1"}"#, "[]", "null",
      #"{"victim":{"comm_hex":"abc","cgroup":7,"container":[],"kubernetes":1}}"#,
    ])
  func junk(text: String) {
    let facts = LineFacts(Array(text.utf8))
    #expect(facts.type == nil && facts.sequence == nil && facts.decisionID == nil && facts.subject.comm == nil)
    #expect(facts.sentence == "oomwitness tells of something." && facts.severity == 6)
  }

  @Test("hexadecimal digits are bytes, and anything else is not")
  func hex() {
    #expect(KernelName(hex: "2ffe") == KernelName(bytes: [0x2f, 0xfe]) && KernelName(hex: "") == KernelName(bytes: []))
    #expect(KernelName(hex: "2FFE") == KernelName(bytes: [0x2f, 0xfe]))
    for text in ["2", "2g", "é", "0x12"] { #expect(KernelName(hex: text) == nil, "\(text)") }
  }
}

// SPDX-License-Identifier: Apache-2.0
import Events
import Testing

@testable import Policy

/// What limit is advised, over tables of evidence, junk among it.
@Suite struct LimitAdviceTests {
  static let mebibyte: Int64 = 1 << 20
  static let day: Int64 = 86_400

  /// Sizes in MiB.
  struct Row: Sendable, CustomTestStringConvertible {
    var name: String
    var limit: Int64?
    var isUnlimited = false
    var unit: String? = "a.service"
    var working: Int64?
    var peak: Int64?
    var age: Int64? = LimitAdviceTests.day * 3
    var programs: [String] = []
    var kills: (logged: Int, counted: Int64?, ended: Int) = (0, nil, 0)
    var killLimit: Int64?
    var victim: Int64?
    var growth: (first: Int64, last: Int64, kills: Int)?
    var verdict: AdvisedLimit.Verdict
    var advised: Int64?
    var request: Int64?
    var confidence: AdvisedLimit.Confidence
    var testDescription: String { name }

    var evidence: LimitEvidence {
      var cgroup = CgroupRef(path: KernelName("/a"))
      cgroup.owner = unit.map { CgroupOwner(unit: $0) }
      var evidence = LimitEvidence(.cgroup(cgroup))
      let mebibyte = LimitAdviceTests.mebibyte
      evidence.limitBytes = isUnlimited ? .unlimited : limit.map { .bytes($0 * mebibyte) }
      evidence.workingSetBytes = working.map { $0 * mebibyte }
      evidence.peakBytes = peak.map { $0 * mebibyte }
      evidence.ageSeconds = age
      evidence.programs = programs
      (evidence.kills.logged, evidence.kills.counted, evidence.kills.ended) = kills
      evidence.kills.mostLimitBytes = killLimit.map { $0 * mebibyte }
      evidence.kills.mostVictimBytes = victim.map { $0 * mebibyte }
      evidence.growth = growth.map {
        LimitEvidence.Growth(
          program: KernelName("leaky"), firstBytes: $0.first * mebibyte, lastBytes: $0.last * mebibyte, kills: $0.kills)
      }
      return evidence
    }
  }

  static let rows: [Row] = [
    Row(
      name: "a service without a limit gets one", isUnlimited: true, working: 180, peak: 200, verdict: .set,
      advised: 320,
      request: 224, confidence: .high),
    Row(
      name: "a JVM gets less room than what is not known", isUnlimited: true, working: 180, peak: 200,
      programs: ["java"], verdict: .set, advised: 256, request: 224, confidence: .high),
    Row(
      name: "a batch job gets as much again", isUnlimited: true, working: 20, peak: 200, programs: ["ffmpeg"],
      verdict: .set, advised: 416, request: 224, confidence: .high),
    Row(
      name: "a limit that leaves enough stays as it is", limit: 512, working: 200, peak: 300, verdict: .keep,
      advised: 512, request: 320, confidence: .high),
    Row(
      name: "a limit that is nearly used up is raised", limit: 400, working: 300, peak: 375, verdict: .raise,
      advised: 576 + 64, request: 384, confidence: .high),
    Row(
      name: "a limit that nobody comes near to is lowered", limit: 4096, working: 90, peak: 100, verdict: .lower,
      advised: 160, request: 104, confidence: .high),
    Row(
      name: "it is not lowered by one that has just begun", limit: 4096, working: 90, peak: 100, age: 60,
      verdict: .keep, advised: 4096, request: 104, confidence: .low),
    Row(
      name: "nor where others may run", limit: 4096, unit: nil, working: 90, peak: 100, verdict: .keep, advised: 4096,
      request: 104, confidence: .high),
    Row(
      name: "what is tiny is given 16 MiB", isUnlimited: true, working: 1, peak: 2, verdict: .set, advised: 16,
      request: 8,
      confidence: .high),
    Row(
      name: "page cache that fills the limit is no need of more", limit: 512, working: 100, peak: 512, verdict: .keep,
      advised: 512, request: 104, confidence: .medium),
    Row(
      name: "a kill at the limit raises it by a half", limit: 64, working: 60, peak: 64,
      kills: (1, nil, 0), killLimit: 64, victim: 62, verdict: .raise, advised: 96, request: 64, confidence: .low),
    Row(
      name: "three kills in the log are worth more than one", limit: 64, working: 60, peak: 64,
      kills: (3, 3, 0), killLimit: 64, victim: 62, verdict: .raise, advised: 96, request: 64, confidence: .medium),
    Row(
      name: "a kill that the kernel has only counted", limit: 64, kills: (0, 2, 0), verdict: .raise, advised: 96,
      request: 64, confidence: .low),
    Row(
      name: "OOMKilled in Kubernetes", limit: 512, age: nil, kills: (0, nil, 2), verdict: .raise, advised: 768,
      request: 512, confidence: .low),
    Row(
      name: "OOMKilled without a limit of its own", age: nil, kills: (0, nil, 1), verdict: .unknown, advised: nil,
      request: nil, confidence: .low),
    Row(
      name: "a limit that was raised since its kills", limit: 512, working: 100, peak: 200, kills: (4, nil, 0),
      killLimit: 64, victim: 62, verdict: .keep, advised: 512, request: 512, confidence: .medium),
    Row(
      name: "a leak keeps its limit", limit: 64, working: 60, peak: 64, kills: (5, nil, 0), killLimit: 64, victim: 62,
      growth: (20, 62, 5), verdict: .leak, advised: 64, request: 64, confidence: .high),
    Row(
      name: "a leak without a limit gets one", isUnlimited: true, working: 60, peak: 600, growth: (20, 500, 3),
      verdict: .leak, advised: 640, request: 640, confidence: .medium),
    Row(
      name: "only what is used now", isUnlimited: true, working: 100, verdict: .set, advised: 160, request: 104,
      confidence: .low),
    Row(
      name: "nothing but a limit", limit: 100, age: nil, verdict: .unknown, advised: 100, request: nil,
      confidence: .low),
    Row(name: "nothing at all", age: nil, verdict: .unknown, advised: nil, request: nil, confidence: .low),
    Row(
      name: "zero usage is none", limit: 100, working: 0, peak: 0, verdict: .unknown, advised: 100, request: nil,
      confidence: .low),
    Row(
      name: "negative numbers are none", limit: -5, working: -1, peak: -1, kills: (0, -3, 0), killLimit: -2, victim: -7,
      verdict: .unknown, advised: nil, request: nil, confidence: .low),
    Row(
      name: "usage above the limit, which was lowered afterwards", limit: 100, working: 200, peak: 300, verdict: .raise,
      advised: 320, request: 208 + 16, confidence: .medium),
  ]

  @Test("evidence leads to a limit, what is set aside, and a confidence", arguments: rows)
  func advice(row: Row) {
    let advised = LimitAdvice.advise(row.evidence)
    let mebibytes = { (bytes: Int64?) in bytes.map { $0 / LimitAdviceTests.mebibyte } }
    #expect(advised.verdict == row.verdict)
    #expect(mebibytes(advised.limitBytes) == row.advised)
    #expect(mebibytes(advised.requestBytes) == row.request)
    #expect(advised.confidence == row.confidence)
    LimitAdviceTests.holdsInAll(advised)
  }

  /// What is promised whatever the evidence is.
  private static func holdsInAll(_ advised: AdvisedLimit) {
    let evidence = advised.evidence
    #expect(!advised.confidenceReason.isEmpty)
    if let limit = advised.limitBytes {
      #expect(!advised.reasons.isEmpty)
      #expect(limit > 0)
      for used in [evidence.usageBytes, evidence.workingSetBytes, evidence.peakBytes, evidence.kills.mostVictimBytes] {
        #expect(limit >= used ?? 0)
      }
      #expect(limit >= advised.requestBytes ?? 0)
      if let high = advised.highBytes { #expect(high < limit && high > advised.requestBytes ?? 0) }
      if let high = advised.highBytes { #expect(high > evidence.peakBytes ?? 0) }
    } else {
      #expect(advised.requestBytes == nil && advised.highBytes == nil)
    }
    if advised.verdict == .keep, case .bytes(let now)? = evidence.limitBytes { #expect(advised.limitBytes == now) }
    if advised.verdict == .raise, case .bytes(let now)? = evidence.limitBytes { #expect(advised.limitBytes ?? 0 > now) }
    if advised.verdict == .lower, case .bytes(let now)? = evidence.limitBytes {
      #expect(advised.limitBytes ?? now < now)
    }
  }

  @Test("no number is too large, too small or too odd, in any place")
  func extremes() {
    let sizes: [Int64?] = [nil, .min, -1, 0, 1, 4095, 1 << 20, 1 << 40, .max / 3, .max - 1, .max]
    var seen = Set<AdvisedLimit.Verdict>()
    var cgroup = CgroupRef(path: KernelName("/a"))
    cgroup.owner = CgroupOwner(unit: "a.service")
    for limit in sizes {
      for peak in sizes {
        for working in sizes {
          for killed in sizes {
            var evidence = LimitEvidence(.cgroup(cgroup))
            evidence.limitBytes = limit.map(ByteLimit.bytes)
            (evidence.peakBytes, evidence.workingSetBytes, evidence.usageBytes) = (peak, working, peak)
            evidence.requestBytes = working
            (evidence.kills.mostVictimBytes, evidence.kills.mostLimitBytes, evidence.kills.counted) = (
              killed, peak, killed
            )
            evidence.ageSeconds = working
            evidence.hostBytes = killed
            let advised = LimitAdvice.advise(evidence)
            seen.insert(advised.verdict)
            LimitAdviceTests.holdsInAll(advised)
            if let bytes = advised.limitBytes {
              #expect(bytes >= max(0, peak ?? 0, working ?? 0), "\(String(describing: (limit, peak, working, killed)))")
              #expect(bytes >= advised.requestBytes ?? 0)
            }
          }
        }
      }
    }
    #expect(seen.isSuperset(of: [.raise, .lower, .keep, .set, .unknown]))
  }

  static let heaps: [([String], LimitEvidence.JVMHeap?)] = [
    (["java", "-Xmx512m", "-jar", "a.jar"], .bytes(512 << 20)), (["java", "-Xmx1G", "Main"], .bytes(1 << 30)),
    (["java", "-Xmx1g", "-Xmx2g", "Main"], .bytes(2 << 30)), (["java", "-XX:MaxHeapSize=1024", "Main"], .bytes(1024)),
    (["java", "-XX:MaxRAMPercentage=75.5", "Main"], .hundredthsOfPercent(7550)),
    (["java", "-XX:MaxRAMPercentage=75", "-Xmx1t", "Main"], .bytes(1 << 40)),
    (["java", "-jar", "a.jar", "-Xmx1g"], nil),
    (["java", "Main", "-Xmx1g"], nil), (["java"], nil), ([], nil),
    (["java", "-Xmx", "-Xmxm", "-Xmx-1m", "-Xmx0"], nil),
    (["java", "-Xmx9223372036854775807g"], nil), (["java", "-XX:MaxRAMPercentage=0", "-XX:MaxRAMPercentage=nan"], nil),
    (["java", "-XX:MaxRAMPercentage=101"], nil), (["java", "-Xmx1é"], nil),
  ]

  @Test("a JVM's command line tells its heap", arguments: heaps)
  func heap(words: [String], heap: LimitEvidence.JVMHeap?) {
    #expect(LimitEvidence.JVMHeap(commandLine: words) == heap)
  }

  static let loads: [([String], String?, AdvisedLimit.LoadKind)] = [
    (["java"], nil, .jvm), (["sh", "java"], nil, .jvm), (["postgres: writer"], nil, .database),
    (["php-fpm8.2"], nil, .web),
    (["nginx: worker"], nil, .web), (["cc1plus"], nil, .batch), (["javac"], nil, .unknown), ([], nil, .unknown),
    ([""], "", .unknown), (["x"], "docker.io/bitnami/postgresql:16.1", .database),
    (["x"], "reg.example.org:5000/team/tomcat@sha256:00", .jvm), ([], "eclipse-temurin:21-jre", .jvm),
    ([], "nginx", .web), ([], "java.example.org/team/app:1", .unknown), ([], "app:java", .unknown),
    ([], "///:@", .unknown),
    (["nginx"], "postgres:16", .web),
  ]

  @Test("a load is known by its programs, else by its image", arguments: loads)
  func load(programs: [String], image: String?, kind: AdvisedLimit.LoadKind) {
    #expect(AdvisedLimit.LoadKind(programs: programs, image: image) == kind)
  }

  static let rounded: [(Int64, up: Int64, down: Int64)] = [
    (0, 8, 0), (1, 8, 0), (8, 8, 8), (100, 104, 96), (128, 128, 128), (129, 160, 128), (500, 512, 480), (600, 640, 512),
    (2048, 2048, 2048), (2049, 2560, 2048), (8193, 9216, 8192), (70_000, 73_728, 69_632),
  ]

  @Test("sizes are rounded to what people write", arguments: rounded)
  func rounds(mebibytes: Int64, up: Int64, down: Int64) {
    let mebibyte = LimitAdviceTests.mebibyte
    #expect(RoundSize.up(mebibytes * mebibyte) == up * mebibyte)
    #expect(RoundSize.down(mebibytes * mebibyte) == down * mebibyte)
  }

  @Test("a leak is said to be one, and reasons name their numbers and no control character")
  func words() throws {
    var row = try #require(LimitAdviceTests.rows.first { $0.name == "a leak keeps its limit" }).evidence
    row.growth?.program = KernelName("a\u{1b}[31m")
    let advised = LimitAdvice.advise(row)
    let text = advised.reasons.joined(separator: " ")
    #expect(text.contains("a higher limit only postpones"))
    #expect(text.contains("20.0 MiB") && text.contains("62.0 MiB") && text.contains("64.0 MiB"))
    #expect(text.contains("a\\x1b[31m") && !text.contains("\u{1b}"))
  }
}

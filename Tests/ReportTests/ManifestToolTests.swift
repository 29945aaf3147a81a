// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import TestSupport
import Testing

@testable import Report

/// What sets the limits, as those take it for whom it is written.
@Suite struct ManifestToolTests {
  private static func advised(_ cgroup: CgroupRef) -> AdvisedLimit {
    var evidence = LimitEvidence(.cgroup(cgroup))
    evidence.limitBytes = .unlimited
    var advised = AdvisedLimit(
      evidence, verdict: .set, load: .batch, headroomPercent: 100, confidence: .high, because: "its peak is of 3 days")
    (advised.limitBytes, advised.requestBytes, advised.highBytes) = (805_306_368, 536_870_912, 671_088_640)
    advised.oomScoreAdj = 300
    advised.reasons = ["It used 512.0 MiB at most \\"]
    return advised
  }

  /// A new folder, and what is in it by name.
  private static func folder(_ files: [(String, String)]) -> String {
    let path = Python.temporaryFile("")
    unlink(path)
    mkdir(path, 0o755)
    for (name, text) in files {
      if let slash = name.lastIndex(of: "/") { mkdir(path + "/" + name[..<slash], 0o755) }
      Files.write(text, to: path + "/" + name)
    }
    return path
  }

  private static let composeProgram = "/usr/bin/docker-compose"

  @Test(
    "Compose merges the override with a project's own file",
    .enabled(if: Requirement.mustRun || access(composeProgram, X_OK) == 0, "needs docker-compose"))
  func compose() throws {
    let names = ["web", "db-1", "a.b_c"]
    let set = ComposeOverride.files(
      names.map {
        var container = ContainerRef(runtime: "docker", id: String(repeating: "0f", count: 32))
        (container.composeProject, container.composeService) = ("shop", $0)
        var cgroup = CgroupRef(path: KernelName("/docker/x"))
        cgroup.owner = CgroupOwner(container: container)
        return ManifestToolTests.advised(cgroup)
      })
    let file = try #require(set.files.first)
    let base = "services:\n" + names.map { "  \($0):\n    image: x\n    environment: {A: b}\n" }.joined()
    let folder = ManifestToolTests.folder([("compose.yaml", base), ("o.yaml", file.text)])
    defer { _ = Program.run("/bin/rm", ["-rf", folder]) }
    let ended = Program.run(
      ManifestToolTests.composeProgram, ["-f", folder + "/compose.yaml", "-f", folder + "/o.yaml", "config"])
    #expect(ended.status == 0, "\(ended.errors)")
    for name in names { #expect(ended.output.contains("\n  \(name):\n"), "\(ended.output)") }
    for line in ["A: b", "oom_score_adj: 300"] {
      #expect(ended.output.components(of: line) == names.count, "\(line): \(ended.output)")
    }
    // Version 1 keeps the unit, version 2 writes bytes.
    for (one, other) in [
      ("mem_limit: 768m", "mem_limit: \"805306368\""), ("mem_reservation: 512m", "mem_reservation: \"536870912\""),
      ("memswap_limit: 768m", "memswap_limit: \"805306368\""),
    ] {
      #expect(ended.output.components(of: one) + ended.output.components(of: other) == names.count, "\(ended.output)")
    }
  }

  private static let analyze = "/usr/bin/systemd-analyze"

  @Test(
    "systemd reads the drop-in and has nothing to say of it",
    .enabled(if: Requirement.mustRun || access(analyze, X_OK) == 0, "needs systemd-analyze"))
  func systemd() throws {
    var cgroup = CgroupRef(path: KernelName("/system.slice/oomwitness-db.service"))
    cgroup.owner = CgroupOwner(unit: "oomwitness-db.service")
    let file = try #require(UnitLimits.files([ManifestToolTests.advised(cgroup)]).files.first)
    let unit = ("oomwitness-db.service", "[Service]\nExecStart=/bin/true\n")
    for (text, isGood) in [(file.text, true), (file.text.replacing("768M", with: "768X"), false)] {
      let folder = ManifestToolTests.folder([unit, (file.fileName, text)])
      defer { _ = Program.run("/bin/rm", ["-rf", folder]) }
      let ended = Program.run(ManifestToolTests.analyze, ["verify", folder + "/oomwitness-db.service"])
      #expect(ended.errors.contains("768X") != isGood, "\(ended.errors)")
      if isGood { #expect(ended.status == 0 && !ended.errors.contains("50-oomwitness-limits.conf"), "\(ended.errors)") }
    }
  }
}

extension String {
  /// How often a text is in it.
  fileprivate func components(of text: String) -> Int { ranges(of: text).count }
}

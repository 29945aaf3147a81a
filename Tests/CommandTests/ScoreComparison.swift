// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import TestSupport

/// Every process of /proc beside the rows of `oomwitness scores`, by a reader that shares nothing with ours.
struct ScoreComparison {
  var equal = 0
  /// Not equal, and no further away than what each CPU keeps of four counters for itself.
  var within = 0
  /// Not killable, and shown as 0 by the kernel or passed over before it scores.
  var ineligible = 0
  var kernelThreads = 0
  /// Began or ended meanwhile.
  var fleeting = 0
  /// What does not fit, by pid.
  var wrong: [Int: String] = [:]

  private let totalPages: Int64
  private let slackPages: Int64

  /// - Parameter arguments: of `scores`, besides those that make it list all.
  init(_ arguments: [String]) {
    totalPages = ScoreComparison.pages("MemTotal") + ScoreComparison.pages("SwapTotal")
    let cpus = Int64(sysconf(Int32(_SC_NPROCESSORS_ONLN)))
    slackPages = 4 * max(32, 2 * cpus) * cpus
    let before = ScoreComparison.kernelScores()
    let ended = Program.run(Program.oomwitness, ["scores", "--top", "all", "--output", "ndjson"] + arguments)
    let after = ScoreComparison.kernelScores()
    guard ended.status == 0 else {
      wrong[0] = ended.errors
      return
    }
    var rows: [Int: Line] = [:]
    for row in Line.all(in: ended.output) { rows[row.number("pid") ?? 0] = row }
    for pid in Set(before.keys).union(after.keys).union(rows.keys).sorted() {
      guard let first = before[pid], let last = after[pid] else {
        fleeting += 1
        continue
      }
      compare(pid, rows[pid], [first, last])
    }
  }

  var total: Int { equal + within + ineligible + kernelThreads + wrong.count }

  private mutating func compare(_ pid: Int, _ row: Line?, _ shown: [Int64]) {
    guard let row else {
      wrong[pid] = "no row, shown \(shown)"
      return
    }
    if row.text("skipped") == "kernel_thread" {
      // A kernel thread maps nothing; the kernel shows it no score.
      if shown == [0, 0], Files.text("/proc/\(pid)/maps") ?? "" == "" {
        kernelThreads += 1
      } else {
        wrong[pid] = "told as a kernel thread, shown \(shown)"
      }
      return
    }
    guard let points = row.number("points").map(Int64.init) else {
      // Unkillable by its score alone: the kernel shows 0. Init and victims are passed over before they are scored.
      let isZero = ["no_mm", "oom_score_adj_min", "mmf_oom_skip"].contains(row.text("skipped"))
      if isZero, shown.min() != 0 {
        wrong[pid] = "\(row.text("skipped") ?? ""), shown \(shown)"
      } else {
        ineligible += 1
      }
      return
    }
    if shown.contains(scale(points)) {
      equal += 1
    } else if scale(points - slackPages) <= shown.max()!, scale(points + slackPages) >= shown.min()! {
      within += 1
    } else {
      wrong[pid] = "\(row.text("comm") ?? ""): \(points) points, shown \(shown)"
    }
  }

  /// Kernel: fs/proc/base.c, proc_oom_score(), since 5.9; integer division as in C.
  private func scale(_ points: Int64) -> Int64 { (1000 + points * 1000 / totalPages) * 2 / 3 }

  private static func kernelScores() -> [Int: Int64] {
    var scores: [Int: Int64] = [:]
    for pid in Files.names(in: "/proc").compactMap({ Int($0) }) {
      let text = Files.text("/proc/\(pid)/oom_score")?.split(separator: "\n").first
      scores[pid] = text.flatMap { Int64($0) }
    }
    return scores
  }

  private static func pages(_ key: String) -> Int64 {
    let text = Files.text("/proc/meminfo") ?? ""
    let line = text.split(separator: "\n").first { $0.hasPrefix(key + ":") }
    return (line.flatMap { Int64($0.split(separator: " ")[1]) } ?? 0) * 1024 / Int64(getpagesize())
  }
}

/// Processes of several sizes and adjustments, so that the machine has more to compare than its own.
final class Sleepers {
  private let programs: [Program]
  static let adjustments = [0, 1, 137, 500, 999, 1000]

  init() {
    programs = Sleepers.adjustments.enumerated().map { number, adjustment in
      let script = """
        import time
        open("/proc/self/oom_score_adj", "w").write("\(adjustment)")
        held = bytearray(b"x") * (\(1 + 20 * number) << 20)
        print("ready", flush=True)
        time.sleep(120)
        """
      return Program("/usr/bin/python3", ["-I", "-S", "-c", script])
    }
    for program in programs { _ = program.waitForOutput(containing: "ready") }
  }

  deinit {
    for program in programs {
      program.signal(SIGKILL)
      _ = program.wait()
    }
  }
}

// SPDX-License-Identifier: Apache-2.0
import Events

/// Whether a limit or the system's memory runs out first for a group, and what the kernel would then do, in one sentence.
package struct CgroupSentence: Sendable {
  private let words: ForecastSentence

  package init(pageSizeBytes: Int) { words = ForecastSentence(pageSizeBytes: pageSizeBytes) }

  package func sentence(_ report: CgroupReport) -> String {
    let end = report.forecast.map { words.consequence($0) }
    switch (report.scarcity, report.binding) {
    case (.limit, let binding?):
      var text = binding.isNear ? "A limit's OOM in waiting: " : "A limit would run out before the system's memory: "
      text += "the limit of \(name(binding, of: report)) binds, \(size(binding.leftBytes)) left of "
      text += size(binding.limitBytes) + cache(binding)
      if binding.isKillDisabled == true {
        return text + "; at it its tasks would stand still and nobody would be killed, since oom_kill_disable is set."
      }
      return text + (end.map { "; at it \($0)." } ?? ".")
    case (_, let binding?):
      return
        "The system's memory would run out before a limit: the limit of \(name(binding, of: report)) has \(size(binding.leftBytes)) left, and the host "
        + "no more than \(size(report.hostAvailableBytes ?? 0)) available; without memory "
        + (end.map { "\($0)." } ?? "the kernel would look at all processes.")
    case (_, nil):
      let available = report.hostAvailableBytes.map { " (\(size($0)) available)" } ?? ""
      return "No limit at or above \(TerminalText.safe(report.status.cgroup.path ?? KernelName("it"))) binds: only the "
        + "system's memory can run out\(available)" + (end.map { "; then \($0)." } ?? ".")
    }
  }

  /// Its path, and where it is another group's what people call that.
  private func name(_ binding: CgroupBinding, of report: CgroupReport) -> String {
    let path = binding.cgroup.path.map { TerminalText.safe($0) } ?? "it"
    guard binding.cgroup.path != report.status.cgroup.path, let owner = binding.cgroup.owner?.displayName else {
      return path
    }
    return "\(path) (\(TerminalText.safe(owner)))"
  }

  private func cache(_ binding: CgroupBinding) -> String {
    var spare: [String] = []
    if let cache = binding.cacheBytes, cache > binding.limitBytes / 100 {
      spare.append("\(size(cache)) of page cache that would be dropped before")
    }
    if let swap = binding.swapLeftBytes, swap > 0 { spare.append("\(size(swap)) of swap") }
    return spare.isEmpty ? "" : " (and \(spare.joined(separator: ", ")))"
  }

  private func size(_ bytes: Int64) -> String { ScoreTable.size(bytes: bytes) + (bytes < 1024 ? " bytes" : "iB") }
}

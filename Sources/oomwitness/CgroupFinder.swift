// SPDX-License-Identifier: Apache-2.0
import Events
import Host
import Policy

/// Finds the control group that an argument means: a path, a pid, a container, a pod or a unit.
struct CgroupFinder {
  private let table: ProcessTable

  init(table: ProcessTable) { self.table = table }

  /// More matches than this are counted and not listed.
  private static let listedMax = 8

  /// - Throws: `ExitStatus.failed` where nothing or more than one thing is meant, with the sentence said.
  func path(_ text: String) throws -> KernelName {
    do {
      if text.hasPrefix("/") {
        let path = ProcessTable.rooted(text)
        if try table.cgroups.status(path: path, [.withoutEvents]) != nil { return path }
      } else if let pid = Int32(text), pid > 0 {
        if let path = table.cgroup(pid: pid)?.path { return path }
      } else {
        let path = ProcessTable.rooted(text)
        if !text.isEmpty, path != KernelName("/"), try table.cgroups.status(path: path, [.withoutEvents]) != nil {
          return path
        }
      }
      // The number may be the beginning of a container's id.
      if !text.hasPrefix("/") {
        let groups = try table.cgroups.paths().paths.map { ($0, table.containers.owner(ofCgroup: $0)) }
        let matches = CgroupChoice.matches(text, among: groups)
        if matches.count == 1 { return matches[0].path }
        if matches.count > 1 { throw several(text, matches) }
      }
    } catch let error as HostError {
      throw Diagnostic.fail(Wording.sentence(error))
    }
    throw unknown(text)
  }

  private func several(_ text: String, _ matches: [CgroupChoice.Match]) -> any Error {
    let listed = matches.prefix(CgroupFinder.listedMax).map(\.description).joined(separator: ", ")
    let more = matches.count - CgroupFinder.listedMax
    return Diagnostic.fail(
      "'\(TerminalText.safe(text))' may be \(matches.count) things: \(listed)\(more > 0 ? " and \(more) more" : "") "
        + "(say more of the name, or the cgroup's path)")
  }

  private func unknown(_ text: String) -> any Error {
    let shown = TerminalText.safe(text)
    if text.hasPrefix("/") {
      return Diagnostic.fail("there is no memory cgroup \(shown) (`oomwitness cgroup` lists them)")
    }
    if let pid = Int32(text), pid > 0 {
      return Diagnostic.fail("there is no process \(shown), and no container whose id begins so")
    }
    return Diagnostic.fail(
      "'\(shown)' is no cgroup, pid, container, pod or unit of this host (`oomwitness cgroup` and "
        + "`oomwitness containers` list them)\(refusedFiles)")
  }

  /// Why a container may have no name.
  private var refusedFiles: String {
    guard table.containers.filesRefused > 0, let last = table.containers.lastFileRefused else { return "" }
    return "; a container may lack its name, since \(TerminalText.safe(last)) is half written or cannot be read"
  }
}

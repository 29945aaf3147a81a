// SPDX-License-Identifier: Apache-2.0
import Events
import Host

/// The workloads of a cluster, as a file of kubectl's tells them.
struct ClusterLimits {
  /// More matches than this are counted and not listed.
  private static let listedMax = 8

  let list: PodList
  private let file: String

  init(path: String) throws {
    // Where the file cannot be read to its end, what is read is not judged.
    var refusal: HostError?
    var opened: ReadableFile?
    var buffer = [UInt8](repeating: 0, count: ReadableFile.pieceBytes)
    do throws(HostError) { opened = try ReadableFile(path: path) } catch { refusal = error }
    file = opened?.name ?? path
    do throws(PodList.Fault) {
      list = try PodList {
        var count = 0
        do throws(HostError) { count = try opened?.next(into: &buffer) ?? 0 } catch { refusal = error }
        return Array(buffer[..<count])
      }
    } catch {
      throw Diagnostic.fail(refusal.map { Wording.sentence($0) } ?? Wording.sentence(error, file: file))
    }
    if let refusal { throw Diagnostic.fail(Wording.sentence(refusal)) }
    if list.dropped > 0 {
      Diagnostic.say("of \(PodList.workloadsMax) containers of workloads the rest, \(list.dropped), is left out")
    }
  }

  /// All, or those of the workloads that are named.
  func chosen(_ names: [String]) throws -> [LimitEvidence] {
    guard !names.isEmpty else { return list.evidence }
    var chosen: Set<WorkloadRef> = []
    for name in names {
      let matches = list.evidence.compactMap { evidence -> WorkloadRef? in
        guard case .workload(let workload) = evidence.subject, ClusterLimits.isNamed(workload, name) else { return nil }
        return workload
      }
      var whole: [String] = []
      for match in matches {
        let workload = "\(match.kind.rawValue) \(match.namespace)/\(match.name)"
        if !whole.contains(workload) { whole.append(workload) }
      }
      let shown = TerminalText.safe(name)
      guard !whole.isEmpty else {
        throw Diagnostic.fail(
          "there is no workload '\(shown)' in \(TerminalText.safe(file)) (NAMESPACE/NAME as kubectl has it)")
      }
      guard whole.count == 1 else {
        let listed = whole.prefix(ClusterLimits.listedMax).map { TerminalText.safe($0) }.joined(separator: ", ")
        let more = whole.count - ClusterLimits.listedMax
        throw Diagnostic.fail(
          "'\(shown)' may be \(whole.count) workloads: \(listed)\(more > 0 ? " and \(more) more" : "") "
            + "(say NAMESPACE/NAME or NAMESPACE/KIND/NAME)")
      }
      chosen.formUnion(matches)
    }
    return list.evidence.filter {
      if case .workload(let workload) = $0.subject { return chosen.contains(workload) }
      return false
    }
  }

  private static func isNamed(_ workload: WorkloadRef, _ text: String) -> Bool {
    let kind = workload.kind.rawValue.lowercased()
    let whole = "\(workload.namespace)/\(kind)/\(workload.name)"
    return [workload.name, "\(workload.namespace)/\(workload.name)", whole, "\(whole)/\(workload.container)"]
      .contains(text)
  }
}

extension LimitsDocument.Source {
  init(_ list: PodList) {
    self = .kubernetes(
      pods: list.pods, otherObjects: list.otherObjects, dropped: list.dropped, badQuantities: list.badQuantities)
  }
}

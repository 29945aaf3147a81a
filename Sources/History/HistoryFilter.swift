// SPDX-License-Identifier: Apache-2.0

/// Which rows of a history are wanted; nil lets all through.
///
/// Patterns are those of shells, and `*` goes across slashes. Source: fnmatch(3).
package struct HistoryFilter: Hashable, Sendable {
  /// From this moment on, and before that one; nanoseconds since 1970.
  package var sinceNanoseconds: Int64?
  package var untilNanoseconds: Int64?
  /// Types of lines; none: all.
  package var types: [String] = []
  /// The victim's comm; of other types that of the process they are about.
  package var victim: String?
  /// The victim's control group, or the one whose limit was hit.
  package var cgroup: String?
  package var unit: String?
  /// A container's name, also within its pod; its id or twelve digits of it and more.
  package var container: String?
  /// `namespace/pod`, a pod's name in any namespace, or its uid.
  package var pod: String?
  package var host: String?

  package init() {}

  /// The condition in SQL, on `e`, the rows, and `s`, the hosts and boots; and the values for its question marks.
  var condition: (sql: String, values: [Statement.Value]) {
    var terms: [String] = []
    var values: [Statement.Value] = []
    func add(_ term: String, _ more: Statement.Value...) {
      terms.append(term)
      values += more
    }
    if !types.isEmpty {
      terms.append("e.type IN (\(types.map { _ in "?" }.joined(separator: ", ")))")
      values += types.map { .text($0) }
    }
    // What has no time is never known to lie between two.
    if let sinceNanoseconds { add("e.order_ns >= ? AND e.has_time", .integer(sinceNanoseconds)) }
    if let untilNanoseconds { add("e.order_ns < ? AND e.has_time", .integer(untilNanoseconds)) }
    if let victim { add("fits(?, e.comm)", .text(victim)) }
    if let cgroup { add("(fits(?, e.cgroup) OR fits(?, e.limit_cgroup))", .text(cgroup), .text(cgroup)) }
    if let unit { add("fits(?, e.unit)", .text(unit)) }
    if let host { add("fits(?, s.host)", .text(host)) }
    if let pod {
      if pod.contains("/") {
        add("fits(?, e.namespace || '/' || e.pod)", .text(pod))
      } else {
        add("(fits(?, e.pod) OR e.pod_uid = ?)", .text(pod), .text(pod))
      }
    }
    if let container {
      let isID = container.utf8.count >= 12 ? "substr(e.container_id, 1, length(?)) = ?" : "(? = ? AND 0)"
      add(
        "(e.container_id = ? OR \(isID) OR fits(?, e.container) OR fits(?, e.pod_container))", .text(container),
        .text(container), .text(container), .text(container), .text(container))
    }
    return (terms.isEmpty ? "1" : terms.joined(separator: " AND "), values)
  }
}

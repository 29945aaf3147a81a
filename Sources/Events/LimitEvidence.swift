// SPDX-License-Identifier: Apache-2.0

/// What is known of the memory of one container, service or control group: what Policy's LimitAdvice rests on.
///
/// Sizes are bytes. A nil field is not known: Kubernetes' own objects, as one, tell limits and ends but no usage.
package struct LimitEvidence: Hashable, Sendable {
  package var subject: LimitSubject
  /// The hard limit as it is now.
  package var limitBytes: ByteLimit?
  /// What is set aside for it: Kubernetes' request, the soft limit of version 1, memory.low of version 2.
  package var requestBytes: Int64?
  package var usageBytes: Int64?
  /// Usage without page cache that was not used lately.
  package var workingSetBytes: Int64?
  /// The most it ever used, page cache included.
  package var peakBytes: Int64?
  package var swapLimitBytes: ByteLimit?
  /// How long it has run: what a peak is worth.
  package var ageSeconds: Int64?
  /// All memory of the host.
  package var hostBytes: Int64?
  /// What runs in it, the biggest first.
  package var programs: [String] = []
  /// The image, where no process is seen.
  package var image: String?
  /// The heap that a JVM in it was told to take at most, by its command line.
  package var jvmHeap: JVMHeap?
  package var kills = Kills()
  package var growth: Growth?
  /// Pods of the workload that were seen; 1 for all else.
  package var replicas = 1
  /// Starts after the first, of all replicas.
  package var restarts: Int64?

  package init(_ subject: LimitSubject) { self.subject = subject }

  /// Kills at its limit.
  package struct Kills: Hashable, Sendable {
    /// Decisions that a log tells at this limit.
    package var logged = 0
    /// As the kernel has counted them in the group since it was made.
    package var counted: Int64?
    /// Containers whose last end, or present one, is OOMKilled.
    package var ended = 0
    /// The highest limit at which it was killed.
    package var mostLimitBytes: Int64?
    /// The most that a victim held.
    package var mostVictimBytes: Int64?

    package init() {}

    /// Two witnesses may have seen the same kill: no more than the most that one of them has seen is claimed.
    package var number: Int64 { max(Int64(logged), counted ?? 0, Int64(ended)) }
  }

  /// A victim that held more from kill to kill.
  package struct Growth: Hashable, Sendable {
    package var program: KernelName
    package var firstBytes: Int64
    package var lastBytes: Int64
    package var kills: Int

    package init(program: KernelName, firstBytes: Int64, lastBytes: Int64, kills: Int) {
      (self.program, self.firstBytes, self.lastBytes, self.kills) = (program, firstBytes, lastBytes, kills)
    }
  }

  /// Source: java(1), -Xmx and -XX:MaxRAMPercentage.
  package enum JVMHeap: Hashable, Sendable {
    case bytes(Int64)
    case hundredthsOfPercent(Int)
  }
}

/// Whose limit it is.
package enum LimitSubject: Hashable, Sendable {
  /// A control group of this host, with its owner.
  case cgroup(CgroupRef)
  /// A container of what Kubernetes keeps running.
  case workload(WorkloadRef)

  /// What people call it.
  package var name: String {
    switch self {
    case .cgroup(let cgroup): cgroup.owner?.displayName ?? cgroup.path?.text ?? ""
    case .workload(let workload): workload.displayName
    }
  }

  package var owner: CgroupOwner? {
    if case .cgroup(let cgroup) = self { return cgroup.owner }
    return nil
  }

  /// container, pod, unit, cgroup, or workload.
  package var kindText: String {
    switch self {
    case .workload: "workload"
    case .cgroup(let cgroup):
      cgroup.owner?.container != nil || cgroup.owner?.pod?.container != nil
        ? "container" : cgroup.owner?.pod != nil ? "pod" : cgroup.owner?.unit != nil ? "unit" : "cgroup"
    }
  }

  func encode(into json: inout JSONWriter) {
    json.object {
      $0.field("kind", kindText)
      $0.field("name", name)
      switch self {
      case .cgroup(let cgroup):
        $0.field("path", hexKey: "path_hex", cgroup.path)
        $0.field("systemd_unit", cgroup.owner?.unit)
        if let container = cgroup.owner?.container { $0.field("container") { container.encode(into: &$0) } }
        if let pod = cgroup.owner?.pod { $0.field("kubernetes") { pod.encode(into: &$0) } }
      case .workload(let workload): $0.field("workload") { workload.encode(into: &$0) }
      }
    }
  }
}

/// One container of what Kubernetes keeps running: where a patch of its limits goes to.
package struct WorkloadRef: Hashable, Sendable {
  package enum Kind: String, CaseIterable, Sendable {
    case deployment = "Deployment"
    case statefulSet = "StatefulSet"
    case daemonSet = "DaemonSet"
    case replicaSet = "ReplicaSet"
    case replicationController = "ReplicationController"
    case cronJob = "CronJob"
    case job = "Job"
    /// Nobody keeps it: a pod alone.
    case pod = "Pod"
    /// A file on a node: a static pod.
    case node = "Node"
    /// Something that Kubernetes itself does not know.
    case other = "other"
  }

  package var namespace: String
  package var kind: Kind
  package var name: String
  package var container: String
  package var isInit: Bool

  package init(namespace: String, kind: Kind, name: String, container: String, isInit: Bool) {
    (self.namespace, self.kind, self.name) = (namespace, kind, name)
    (self.container, self.isInit) = (container, isInit)
  }

  /// `shop/deployment/cart/app`.
  package var displayName: String { "\(namespace)/\(kind.rawValue.lowercased())/\(name)/\(container)" }

  func encode(into json: inout JSONWriter) {
    json.object {
      $0.field("namespace", namespace)
      $0.field("kind", kind.rawValue)
      $0.field("name", name)
      $0.field("container", container)
      $0.field("is_init", isInit)
    }
  }
}

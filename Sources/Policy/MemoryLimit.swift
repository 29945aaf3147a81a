// SPDX-License-Identifier: Apache-2.0
import Events

/// How to set a limit of memory at a place: the words that each manager takes.
enum MemoryLimit {
  /// Sets the hard limit.
  ///
  /// Source: systemctl(1) set-property and systemd.resource-control(5) MemoryMax=; docker, podman and nerdctl `update`;
  /// Kubernetes, "Resource Management for Pods and Containers"; the kernel's cgroup-v2.rst, memory.max.
  static func set(_ place: KillPlace, path: KernelName?, version: Int?, mebibytes: Int64) -> [Recommendation.Step] {
    switch place {
    case .unit(let unit):
      return [unitStep(unit, "MemoryMax=\(mebibytes)M", "Set the unit's limit to \(mebibytes) MiB, now and for good.")]
    case .pod(let pod): return podSteps(pod, mebibytes: mebibytes)
    case .container(let container): return [containerStep(container, mebibytes: mebibytes)]
    case .cgroup(let path): return [fileStep(path, version: version, mebibytes: mebibytes)]
    case .unknown: return path.map { [fileStep($0, version: version, mebibytes: mebibytes)] } ?? []
    }
  }

  /// `assignment` as MemoryHigh=1M. A scope is gone with its processes, so that nothing of it can be kept.
  static func unitStep(_ unit: String, _ assignment: String, _ advice: String) -> Recommendation.Step {
    let runtime = unit.hasSuffix(".scope") ? "--runtime " : ""
    let name = ShellText.quoted(KernelName(unit))
    return Recommendation.Step(advice, input: name.map { "systemctl set-property \(runtime)\($0) \(assignment)" })
  }

  private static func containerStep(_ container: ContainerRef, mebibytes: Int64) -> Recommendation.Step {
    let advice = "Set the container's limit to \(mebibytes) MiB; give the same to whatever creates it anew."
    switch container.runtime {
    case "podman":
      return Recommendation.Step(advice, input: "podman update --memory \(mebibytes)m \(container.id)")
    case "containerd":
      return Recommendation.Step(advice, input: "nerdctl update --memory \(mebibytes)m \(container.id)")
    default:
      // Twice the memory is docker's own default for memory and swap together.
      return Recommendation.Step(
        advice, input: "docker update --memory \(mebibytes)m --memory-swap \(mebibytes * 2)m \(container.id)")
    }
  }

  static func podSteps(_ pod: PodRef, mebibytes: Int64) -> [Recommendation.Step] {
    podName(pod) + [
      Recommendation.Step(
        "Set the container's limit to \(mebibytes) MiB in the manifest of what controls the pod.",
        input: "resources:\n  limits:\n    memory: \(mebibytes)Mi")
    ]
  }

  /// How to find it, where its name is not known. The uid is hexadecimal: it needs no quotes.
  static func podName(_ pod: PodRef) -> [Recommendation.Step] {
    guard pod.pod == nil, let uid = pod.podUID else { return [] }
    return [
      Recommendation.Step(
        "Find the pod by its uid.",
        input: "kubectl get pods -A -o custom-columns="
          + "NAMESPACE:.metadata.namespace,POD:.metadata.name,UID:.metadata.uid | grep \(uid)")
    ]
  }

  private static func fileStep(_ path: KernelName, version: Int?, mebibytes: Int64) -> Recommendation.Step {
    let isV1 = version == 1
    let file = isV1 ? "/memory.limit_in_bytes" : "/memory.max"
    let root = isV1 ? "/sys/fs/cgroup/memory" : "/sys/fs/cgroup"
    let whole = KernelName(bytes: Array(root.utf8) + path.bytes + Array(file.utf8))
    return Recommendation.Step(
      "Set the cgroup's limit to \(mebibytes) MiB, and in whatever makes it.",
      input: ShellText.quoted(whole).map { "echo \(mebibytes * 1_048_576) > \($0)" })
  }
}

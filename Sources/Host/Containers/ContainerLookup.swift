// SPDX-License-Identifier: Apache-2.0
import Events

/// Asks the files of each runtime that a container may be of.
struct ContainerLookup {
  /// What a path and the files together say.
  struct Answer {
    var owner: CgroupOwner?
    /// Nothing is missing that a runtime would know.
    var isComplete = true
  }

  private let files: StateFiles
  private let storage: ContainersStorage
  /// Nil: nobody's home is looked into.
  private let users: UserNames?
  private var places: RuntimePlaces
  /// What a container told of its pod, for the pod's own cgroup, of which no runtime has a file.
  private var pods: [String: ContainerFacts] = [:]
  static let podsMax = 1024

  init(files: StateFiles, root: String, readsHomes: Bool) {
    self.files = files
    storage = ContainersStorage(files: files)
    users = readsHomes ? UserNames(root: root.isEmpty ? "/" : root) : nil
    places = RuntimePlaces(files: files, root: root)
  }

  mutating func search(processes: ProcReader) { places.search(processes: processes) }

  mutating func answer(_ path: KernelName) -> Answer {
    let read = CgroupPath(path)
    var answer = Answer()
    var container = read.containers.last
    var pod = read.pod
    if container?.runtime == "nspawn" || container?.runtime == "lxc", read.unit?.hasPrefix("machine-") == true {
      container = container.flatMap(machine)
    } else if let id = container {
      let facts = facts(of: id, userID: read.userID)
      if let facts { container?.take(facts) }
      answer.isComplete = facts != nil || id.givenName != nil || id.runtime == "buildkit"
      pod = self.pod(read, facts)
    } else if let named = ContainerdState(files: files).named(inCgroupPath: path, states: places.containerdStates) {
      container = named.0
      container?.take(named.1)
    } else if pod != nil {
      pod = self.pod(read, nil)
    } else if ContainerdState.isInDefaultNamespace(path) {
      answer.isComplete = false
    }
    if pod != nil, pod?.pod == nil { answer.isComplete = false }
    if read.unit != nil || container != nil || pod != nil {
      answer.owner = CgroupOwner(unit: read.unit, container: container, pod: pod)
    }
    return answer
  }

  /// The pod with its names. Those of a container nested in one of the pod's are not the pod's own.
  private mutating func pod(_ read: CgroupPath, _ innermost: ContainerFacts?) -> PodRef? {
    let inPod = read.containers.dropFirst(read.containersAbovePod)
    guard var pod = read.pod else {
      // Docker and Podman know a pod that their cgroups do not show: by labels, as with a cgroup parent of one's own.
      guard let innermost, innermost.pod != nil else { return nil }
      var pod = PodRef()
      pod.take(innermost)
      return pod
    }
    if let own = inPod.first {
      if let facts = inPod.count == 1 ? innermost : facts(of: own, userID: nil) { pod.take(facts) }
      if pod.pod == nil, let facts = KubeletLogs(files: files).facts(containerID: own.id) { pod.take(facts) }
    }
    guard let uid = pod.podUID else { return pod }
    if pod.pod == nil, let facts = pods[uid] ?? KubeletLogs(files: files).facts(podUID: uid) { pod.take(facts) }
    remember(pod, uid: uid)
    return pod
  }

  private mutating func remember(_ pod: PodRef, uid: String) {
    guard let name = pod.pod, pods[uid] == nil else { return }
    if pods.count >= ContainerLookup.podsMax { pods.removeAll() }
    var facts = ContainerFacts(runtime: nil)
    (facts.namespace, facts.pod, facts.isStatic) = (pod.namespace, name, pod.isStatic)
    pods[uid] = facts
  }

  /// As machined knows it; nil for a virtual machine.
  private func machine(_ container: ContainerRef) -> ContainerRef? {
    var container = container
    switch MachinedState(files: files).kind(of: container.id) {
    case .virtualMachine?: return nil
    case .container(let runtime?)?: container.runtime = runtime
    case .container(nil)?, nil: break
    }
    return container
  }

  private mutating func facts(of container: ContainerRef, userID: UInt32?) -> ContainerFacts? {
    var roots = places.storageRoots
    var dockerRoots = places.dockerRoots
    if let userID, let home = (try? users?.home(uid: userID)) ?? nil {
      let own = RuntimePlaces.rootless(home: home)
      roots.insert(own.storage, at: 0)
      dockerRoots.insert(own.docker, at: 0)
    }
    switch container.runtime {
    case "docker":
      return docker(container.id, dockerRoots) ?? containerd(container.id, dockerRoots)
    case "containerd": return containerd(container.id, dockerRoots)
    case "cri-o", "podman": return storage.facts(id: container.id, roots: roots)
    case nil:
      return docker(container.id, dockerRoots) ?? containerd(container.id, dockerRoots)
        ?? storage.facts(id: container.id, roots: roots)
    default: return nil
    }
  }

  private func docker(_ id: String, _ roots: [String]) -> ContainerFacts? {
    DockerState(files: files).facts(id: id, dataRoots: roots)
  }

  /// A bundle of Docker's leads to Docker's own folder, wherever that is.
  private mutating func containerd(_ id: String, _ dockerRoots: [String]) -> ContainerFacts? {
    guard let found = ContainerdState(files: files).find(id: id, states: places.containerdStates) else { return nil }
    if let dataRoot = found.dockerDataRoot, !dockerRoots.contains(dataRoot) {
      places.add(dockerRoot: dataRoot)
      if let facts = docker(id, [dataRoot]) { return facts }
    }
    return found.facts
  }
}

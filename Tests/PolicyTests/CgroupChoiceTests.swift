// SPDX-License-Identifier: Apache-2.0
import Events
import Policy
import Testing

@Suite("Which group a name means")
struct CgroupChoiceTests {
  private static let idA = "3f2a" + String(repeating: "1", count: 60)
  private static let idB = "3f2b" + String(repeating: "2", count: 60)
  private static let idC = "77" + String(repeating: "3", count: 62)
  private static let uid = "19b7441c-63a1-4548-896d-ace74c0bf03c"

  private static func owner(
    unit: String? = nil, runtime: String? = "docker", id: String? = nil, name: String? = nil, pod: PodRef? = nil
  ) -> CgroupOwner {
    var container = id.map { ContainerRef(runtime: runtime, id: $0) }
    container?.name = name
    return CgroupOwner(unit: unit, container: container, pod: pod)
  }

  private static func pod(name: String?, container: String?) -> PodRef {
    var pod = PodRef()
    (pod.namespace, pod.pod, pod.container, pod.podUID) = (name == nil ? nil : "default", name, container, uid)
    return pod
  }

  private static let groups: [CgroupChoice.Group] = [
    (KernelName("/docker"), nil),
    (KernelName("/docker/\(idA)"), owner(id: idA, name: "web")),
    (KernelName("/docker/\(idA)/inner"), owner(id: idA, name: "web")),
    (KernelName("/docker/\(idB)"), owner(id: idB, name: "3f2a-named")),
    (KernelName("/kubepods/pod\(uid)"), owner(pod: pod(name: nil, container: nil))),
    (KernelName("/kubepods/pod\(uid)/\(idC)"), owner(runtime: nil, id: idC, pod: pod(name: "web-0", container: "app"))),
    (KernelName("/system.slice"), nil),
    (KernelName("/system.slice/db.service"), owner(unit: "db.service")),
    (KernelName("/system.slice/db.service/worker"), owner(unit: "db.service")),
    (KernelName("/user.slice/x"), nil), (KernelName("/user.slice/y/x"), nil),
    (KernelName(bytes: [0x2f, 0xff]), nil),
  ]

  private static let web = ["/docker/" + idA]
  private static let other = ["/docker/" + idB]
  private static let wholePod = ["/kubepods/pod" + uid]
  private static let app = ["/kubepods/pod" + uid + "/" + idC]
  private static let db = ["/system.slice/db.service"]
  private static let rows: [(String, [String])] = [
    ("web", web), (idA, web), ("3f2a", web), ("3f2", []), ("3f2b2", other), ("3f2a-named", other), ("3f2c", []),
    ("default/web-0", wholePod), ("web-0", wholePod), (uid, wholePod), (uid.filter { $0 != "-" }, wholePod),
    ("other/web-0", []), ("default/web-0/app", app), ("web-0/app", app), ("7733", app),
    ("db", db), ("db.service", db), ("db.socket", []), ("system.slice", ["/system.slice"]),
    ("x", ["/user.slice/x", "/user.slice/y/x"]), ("", []), ("/", []), ("\u{fffd}x", []), ("DB", []),
  ]

  @Test("an exact name wins, then the beginning of an id; the outermost group is meant", arguments: rows)
  func matches(text: String, paths: [String]) {
    #expect(CgroupChoice.matches(text, among: CgroupChoiceTests.groups).map(\.path.text) == paths)
  }

  @Test("two containers are two, also where what is shown of them is the same")
  func alike() {
    let ids = ["5", "6"].map { String(repeating: "e", count: 63) + $0 }
    let groups = ids.map { (KernelName("/docker/\($0)"), CgroupOwner?.some(CgroupChoiceTests.owner(id: $0))) }
    #expect(CgroupChoice.matches("eeee", among: groups).count == 2)
    #expect(CgroupChoice.matches(ids[1], among: groups).map(\.path) == [groups[1].0])
  }

  @Test("several that begin so are listed by what people call them")
  func several() {
    let matches = CgroupChoice.matches(
      "3f2a",
      among: [
        (KernelName("/a"), CgroupChoiceTests.owner(id: CgroupChoiceTests.idA, name: "we\u{1b}b")),
        (KernelName("/b"), CgroupChoiceTests.owner(runtime: nil, id: "3f2a" + String(repeating: "9", count: 60))),
      ])
    #expect(matches.map(\.description) == ["container we\\x1bb (docker 3f2a11111111)", "container 3f2a99999999"])
  }
}

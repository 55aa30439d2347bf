// SPDX-License-Identifier: Apache-2.0
#include "core/base/temporary.h"
#include "tests/support/killed_child.h"
#include "tests/support/qs_test.h"

#include <fstream>

using namespace qs;
using namespace qs::test;
namespace fs = std::filesystem;

class TemporaryFiles : public QObject {
    Q_OBJECT
    static std::vector<std::string> names(const fs::path& folder) {
        std::vector<std::string> out;
        for (const auto& entry : fs::directory_iterator(folder))
            out.push_back(entry.path().filename().string());
        std::sort(out.begin(), out.end());
        return out;
    }
private slots:
    void namesOfTemporaries() {
        QCOMPARE(targetOfTemporary("x.h5.part12-3"), std::string("x.h5"));
        QCOMPARE(targetOfTemporary("run.json.tmp7"), std::string("run.json"));
        QCOMPARE(targetOfTemporary("a.part1-2.part3-4"), std::string("a.part1-2"));
        for (const char* name :
             {"x.h5", "x.part", "x.part12", "x.part-3", "x.part12-", "x.part12-3b", "x.partial-1", "x.tmp",
              "x.tmp1-2", "x.tmpa", ".part1-2", ".tmp1", "x.part123456789012345678901-1", ""})
            QVERIFY2(targetOfTemporary(name).empty(), name);
    }
    void livesUntilItsOwnerDoes() {
        const fs::path dir = scratchDir("temporary-own");
        {
            const auto file = Temporary::file(dir / "x.h5"), other = Temporary::file(dir / "x.h5");
            const auto folder = Temporary::folder(dir / "x.h5");
            QS_VERIFY_OK(file);
            QS_VERIFY_OK(other);
            QS_VERIFY_OK(folder);
            QVERIFY(fs::is_regular_file(file->path()) && fs::is_directory(folder->path()));
            QVERIFY(file->path() != other->path());
            QCOMPARE(targetOfTemporary(file->path().filename().string()), std::string("x.h5"));
            sweepTemporaries(dir / "x.h5");
            QCOMPARE(names(dir).size(), size_t(3));
        }
        QCOMPARE(names(dir).size(), size_t(3));
        sweepTemporaries(dir / "x.h5");
        QVERIFY(names(dir).empty());
        QVERIFY(!Temporary::file(dir / "no such folder" / "x.h5"));
    }
    // The child makes a file and a folder and waits; only its death makes them stale.
    void anotherProcessKeepsItsFilesUntilItIsKilled() {
        const fs::path dir = scratchDir("temporary-killed");
        KilledChild child([&] {
            static Temporary file, folder; // held while the child waits
            file = std::move(*Temporary::file(dir / "x.h5"));
            folder = std::move(*Temporary::folder(dir / "x.h5"));
            std::ofstream(folder.path() / "model.safetensors") << "half";
        });
        QVERIFY(child.ready());
        QCOMPARE(names(dir).size(), size_t(2));
        sweepTemporaries(dir / "x.h5");
        QCOMPARE(names(dir).size(), size_t(2));
        child.kill();
        sweepTemporaries(dir / "y.h5");
        QCOMPARE(names(dir).size(), size_t(2));
        sweepTemporaries(dir / "x.h5");
        QVERIFY(names(dir).empty());
    }
    void leavesAloneWhatIsNotOurs() {
        const fs::path dir = scratchDir("temporary-foreign");
        const std::vector<std::string> stay = {"x.h5", "x.h5.part", "x.h5.part7", "x.h5.partial-1",
                                               "y.h5.part1-1"};
        for (const std::string& name : stay)
            std::ofstream(dir / name) << "mine";
        fs::create_directories(dir / "x.h5.part2-2" / "inside");
        std::ofstream(dir / "x.h5.part2-2" / "notes") << "mine";
        fs::create_symlink("x.h5", dir / "x.h5.part3-3");
        fs::create_directory_symlink("x.h5.part2-2", dir / "x.h5.part4-4");
        std::ofstream(dir / "x.h5.part5-5") << "stale";
        const size_t before = names(dir).size();
        sweepTemporaries(dir / "x.h5");
        QCOMPARE(names(dir).size(), before - 1);
        QVERIFY(!fs::exists(dir / "x.h5.part5-5"));
        QVERIFY(fs::exists(dir / "x.h5.part2-2" / "notes"));
    }
};

QS_TEST(TemporaryFiles)
#include "tst_temporary.moc"

// SPDX-License-Identifier: Apache-2.0
#include "core/base/file.h"

#include "tests/support/qs_test.h"

#include <fstream>

namespace fs = std::filesystem;
using namespace qs;
using qs::test::scratchDir;

namespace {

std::string content(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}
size_t filesIn(const fs::path& folder) {
    return size_t(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

} // namespace

class TestFile : public QObject {
    Q_OBJECT
private slots:
    // FIPS 180-2, appendix B.
    void sha256KnownVectors() {
        QCOMPARE(sha256Hex(std::string()),
                 std::string("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
        QCOMPARE(sha256Hex(std::string("abc")),
                 std::string("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
        QCOMPARE(sha256Hex(std::string("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
                 std::string("248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"));
    }
    void sha256InPieces() {
        Sha256 hash;
        for (int i = 0; i < 1000; ++i)
            hash.update(std::string(1000, 'a'));
        const std::string million = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
        QCOMPARE(hash.hex(), million);
        const fs::path path = scratchDir("sha") / "million";
        std::ofstream(path) << std::string(1000000, 'a');
        const auto ofFile = sha256OfFile(path);
        QS_VERIFY_OK(ofFile);
        QCOMPARE(*ofFile, million);
    }

    void mapping() {
        const fs::path path = scratchDir("map") / "f";
        std::ofstream(path) << "hello";
        const auto map = MappedFile::open(path);
        QS_VERIFY_OK(map);
        QCOMPARE((*map)->bytes().size(), size_t(5));
        QCOMPARE(char((*map)->bytes()[4]), 'o');
        (*map)->willNeed(0, 5);
        (*map)->willNeed(100, 5); // past the end: no effect
        (*map)->doneWith(0, 5);
        QVERIFY((*map)->stillIntact().has_value());
        fs::resize_file(path, 2);
        const auto shrunk = (*map)->stillIntact();
        QVERIFY(!shrunk);
        QVERIFY(shrunk.error().describe().find(path.string()) == 0);
    }
    void mappingErrors() {
        const fs::path dir = scratchDir("maperr");
        QCOMPARE(MappedFile::open(dir / "absent").error().code, ErrorCode::NotFound);
        QVERIFY(!MappedFile::open(dir)); // a folder
        std::ofstream(dir / "empty").close();
        const auto empty = MappedFile::open(dir / "empty");
        QS_VERIFY_OK(empty);
        QVERIFY((*empty)->bytes().empty());
    }
    void textWithACap() {
        const fs::path path = scratchDir("text") / "f";
        std::ofstream(path) << "12345";
        QCOMPARE(*readTextFile(path, 5), std::string("12345"));
        const auto tooLong = readTextFile(path, 4);
        QVERIFY(!tooLong);
        QVERIFY(tooLong.error().message.find("limit is 4") != std::string::npos);
    }

    void writeAppearsWhole() {
        const fs::path dir = scratchDir("write");
        QS_VERIFY_OK(writeFileAtomically(dir / "f", std::string("one")));
        QS_VERIFY_OK(writeFileAtomically(dir / "f", std::string("two")));
        QCOMPARE(content(dir / "f"), std::string("two"));
        QCOMPARE(filesIn(dir), size_t(1)); // no temporary is left
    }
    void failedWriteLeavesTheOldFile() {
        const fs::path dir = scratchDir("fail");
        QS_VERIFY_OK(writeFileAtomically(dir / "f", std::string("old")));
        const auto failed = commitByRename(dir / "f", [](const fs::path& temporary) -> Result<void> {
            std::ofstream(temporary) << "half of the n";
            return Error::io("disk full", "f");
        });
        QVERIFY(!failed);
        QCOMPARE(failed.error().message, std::string("disk full"));
        QCOMPARE(content(dir / "f"), std::string("old"));
        QCOMPARE(filesIn(dir), size_t(1));
    }
    void failedRenameLeavesNoTemporary() {
        const fs::path dir = scratchDir("rename");
        fs::create_directories(dir / "f" / "inside"); // a file cannot replace a folder
        QVERIFY(!writeFileAtomically(dir / "f", std::string("x")));
        QVERIFY(fs::is_directory(dir / "f" / "inside"));
        QCOMPARE(filesIn(dir), size_t(1));
    }
    void missingFolderIsAnError() {
        const fs::path path = scratchDir("nofolder") / "absent" / "f";
        const auto r = writeFileAtomically(path, std::string("x"));
        QVERIFY(!r);
        QVERIFY(r.error().describe().find("absent") != std::string::npos);
    }
};

QS_TEST(TestFile)
#include "tst_file.moc"

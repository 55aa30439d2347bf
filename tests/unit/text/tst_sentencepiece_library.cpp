// SPDX-License-Identifier: Apache-2.0
// What the sentencepiece library gives, with models trained by it: tests/golden/gen/tokenizer_vectors.py.
#include "core/base/file.h"
#include "core/text/base64.h"
#include "tests/unit/text/text_fixtures.h"

using namespace qs;
using namespace qs::test;
namespace fs = std::filesystem;

namespace {

fs::path golden() {
    return sourceDir() / "tests/golden/text";
}

std::string hashOf(const Ids& ids) {
    std::vector<std::byte> bytes(ids.size() * 4);
    std::memcpy(bytes.data(), ids.data(), bytes.size());
    return sha256Hex(bytes);
}

} // namespace

class SentencePieceLibraryTest : public QObject {
    Q_OBJECT
private slots:
    void vectors_data() {
        QTest::addColumn<QString>("name");
        for (const char* name :
             {"unigram_bytes", "unigram_plain", "unigram_suffix", "bpe_bytes", "word", "char"})
            QTest::newRow(name) << QString(name);
    }
    void vectors() {
        QFETCH(QString, name);
        const auto all = json::parse(*readTextFile(golden() / "vectors.json"));
        const auto t = loadSentencePiece(golden() / (name.toStdString() + ".model"));
        QS_VERIFY_OK(t);
        const auto& rows = all.at(name.toStdString());
        QVERIFY(rows.size() >= 25);
        for (const auto& row : rows) {
            const std::string text = *text::decodeBase64(row["text"].get<std::string>());
            const auto ids = (*t)->encode(text, false);
            QS_VERIFY_OK(ids);
            if (*ids != row["ids"].get<Ids>())
                QFAIL(qPrintable(QString::fromStdString(text).left(60) + ": got " + show(*ids) +
                                 ", expected " + show(row["ids"].get<Ids>())));
            const auto decoded = (*t)->decode(*ids);
            QS_VERIFY_OK(decoded);
            QCOMPARE(*decoded, *text::decodeBase64(row["decoded"].get<std::string>()));
        }
    }
    void descriptions() {
        const auto describe = [&](const char* name) {
            return (*loadSentencePiece(golden() / name))->description();
        };
        QCOMPARE(describe("unigram_bytes.model"),
                 std::string("tokenizer.model (SentencePiece Unigram, byte fallback)"));
        QCOMPARE(describe("word.model"), std::string("tokenizer.model (SentencePiece word)"));
    }
    // The library writes self_test_data while it trains; a changed piece must be noticed on loading.
    void selfTestData() {
        std::string bytes = *readTextFile(golden() / "bpe_bytes.model");
        QS_VERIFY_OK(fromModel(bytes));
        // Without its piece "le" the model cuts the sample "noble" otherwise than the file says.
        const size_t at = bytes.find("\x0a\x02le\x15");
        QVERIFY(at != std::string::npos);
        bytes[at + 3] = '\x7f';
        QS_VERIFY_ERROR(fromModel(bytes), ErrorCode::Corrupt, "self_test_data");
    }
    void sharedModels() {
        QS_NEED_SHARED(shared);
        const auto all = json::parse(*readTextFile(golden() / "shared.json"));
        QVERIFY(all.size() >= 12);
        for (const auto& [key, row] : all.items()) {
            const size_t slash = key.find('/');
            const auto folder = shared / "data/models" / key.substr(0, slash);
            const auto text = readTextFile(shared / "data/text" / key.substr(slash + 1));
            const auto t = loadSentencePiece(folder / "tokenizer.model");
            QS_VERIFY_OK(t);
            QS_VERIFY_OK(text);
            const auto ids = (*t)->encode(*text, false);
            QS_VERIFY_OK(ids);
            QVERIFY2(ids->size() == row["tokens"].get<size_t>() && hashOf(*ids) == row["sha256"],
                     key.c_str());
        }
    }
};

QS_TEST(SentencePieceLibraryTest)
#include "tst_sentencepiece_library.moc"

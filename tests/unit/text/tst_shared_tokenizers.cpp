// SPDX-License-Identifier: Apache-2.0
// The reference models' tokenizers: ids and counts from their reference files and token streams, and ids that
// the sentencepiece library 0.1.97 gives for awkward texts (SentencePieceProcessor::Encode on
// tokenizer.model).
#include "core/base/file.h"
#include "core/text/tokenizer.h"
#include "tests/unit/text/text_fixtures.h"

#include <ctime>

using namespace qs;
using namespace qs::test;
using namespace std::string_literals;
namespace fs = std::filesystem;

namespace {

struct Vector {
    std::string text;
    Ids ids;
    bool sameInJson =
        true; ///< tokenizer.json gives the same: not for special tokens in the text and half characters
};

const std::vector<Vector> kStories260K = {
    {"Hello world", {346, 306, 414, 263, 304, 341}},
    {"  two  spaces ", {410, 410, 259, 424, 414, 410, 262, 427, 412, 331, 419, 410}},
    {"line\r\nline\n", {278, 271, 411, 16, 13, 421, 271, 411, 13}},
    {"naïve café", {297, 412, 198, 178, 360, 280, 412, 431, 485}},
    {"🙂", {410, 243, 162, 156, 133}},
    {"e\u0301a\u0316\u0301", {344, 207, 132, 412, 207, 153, 207, 132}},
    {"日本語", {410, 233, 154, 168, 233, 159, 175, 235, 173, 161}},
    {"<s>mid</s>word", {410, 504, 419, 505, 423, 292, 504, 492, 419, 505, 424, 304, 418}, false},
    {"▁mark▁", {410, 284, 295, 433, 410}},
    {"\0\x7f"s, {410, 3, 130}},
    {"don't 12345 @-@ x", {279, 289, 439, 413, 410, 475, 479, 472, 484, 480, 410, 67, 464, 67, 410, 444}},
    {"\u00a0\u2003\ufeff", {410, 498, 229, 131, 134, 242, 190, 194}},
    {"<0x0A>", {410, 504, 477, 444, 477, 447, 505}},
    {"\xff"
     "a",
     {410, 242, 194, 192, 412}},
    {"\xe2\x82"
     "a",
     {410, 242, 194, 192, 242, 194, 192, 412},
     false},
    {"\xed\xa0\x80", {410, 242, 194, 192, 242, 194, 192, 242, 194, 192}},
};

const std::vector<Vector> kProse = {
    {"Hello world", {409, 540, 4023, 774}},
    {"  two  spaces ", {856, 693, 4019, 546, 529, 279, 4019}},
    {"line\r\nline\n", {1668, 16, 13, 2035, 13}},
    {"naïve café", {300, 4022, 198, 178, 308, 1099, 4034, 198, 172}},
    {"🙂", {4019, 243, 162, 156, 133}},
    {"e\u0301a\u0316\u0301", {305, 207, 132, 4022, 207, 153, 207, 132}},
    {"<s>mid</s>word", {4019, 63, 4026, 65, 4033, 326, 63, 4094, 4026, 65, 3851}, false},
    {"▁mark▁", {4019, 1153, 4019}},
    {"\0\x7f"s, {4019, 3, 130}},
    {"don't 12345 @-@ x",
     {823, 4044, 4021, 4019, 4060, 4076, 4083, 4085, 4082, 4019, 67, 4046, 67, 4019, 4050}},
    {"<0x0A>", {4019, 63, 4058, 4050, 4058, 4049, 65}},
    {"\xf0\x9f\x98", {4019, 242, 194, 192, 242, 194, 192, 242, 194, 192}, false},
};

// int32 values of a NumPy file, format version 1.0, little-endian.
Ids readNpy(const fs::path& file) {
    const auto text = readTextFile(file);
    if (!text || text->size() < 10 || text->substr(0, 7) != "\x93NUMPY\x01" ||
        text->find("'<i4'") == std::string::npos)
        return {};
    const size_t start = 10 + size_t(uint8_t((*text)[8])) + 256 * size_t(uint8_t((*text)[9]));
    Ids ids((text->size() - start) / 4);
    std::memcpy(ids.data(), text->data() + start, ids.size() * 4);
    return ids;
}

std::string firstCharacters(const std::string& text, size_t n) {
    size_t at = 0;
    for (; at < text.size(); ++at)
        if ((uint8_t(text[at]) & 0xC0) != 0x80 && n-- == 0) break;
    return text.substr(0, at);
}

// Python's text mode reads "\r\n" as "\n"; the reference counts were made so.
std::string universalNewlines(const std::string& text) {
    std::string out;
    for (size_t i = 0; i < text.size(); ++i)
        if (text[i] != '\r')
            out += text[i];
        else if (i + 1 >= text.size() || text[i + 1] != '\n')
            out += '\n';
    return out;
}

void checkVectors(const fs::path& folder, const std::vector<Vector>& vectors) {
    const auto fromJson = loadTokenizer(folder), fromModel = loadSentencePiece(folder / "tokenizer.model");
    QS_VERIFY_OK(fromJson);
    QS_VERIFY_OK(fromModel);
    for (const Vector& v : vectors) {
        QS_COMPARE_LISTS(*(*fromModel)->encode(v.text, false), v.ids);
        if (v.sameInJson) QS_COMPARE_LISTS(*(*fromJson)->encode(v.text, false), v.ids);
    }
}

void checkReference(const fs::path& shared, const char* model) {
    const fs::path folder = shared / "data/models" / model;
    const auto t = loadTokenizer(folder);
    QS_VERIFY_OK(t);
    const json reference = json::parse(*readTextFile(folder / "reference/reference.json"));
    const Ids expected = reference["fixed_text_ids_first64"];
    Ids ids = *(*t)->encode(*readTextFile(folder / "reference/fixed_text.txt"));
    ids.resize(std::min(ids.size(), expected.size()));
    QS_COMPARE_LISTS(ids, expected);
    for (const json& run : reference["perplexity"]) {
        const auto text =
            universalNewlines(*readTextFile(shared / "data/text" / run["file"].get<std::string>()));
        QCOMPARE(run["char_range"][0].get<int>(), 0);
        QCOMPARE((*t)->encode(firstCharacters(text, run["char_range"][1].get<size_t>()))->size(),
                 run["tokens"].get<size_t>());
    }
}

} // namespace

class SharedTokenizersTest : public QObject {
    Q_OBJECT
private slots:
    void referenceFiles() {
        QS_NEED_SHARED(shared);
        checkReference(shared, "stories260K");
        checkReference(shared, "stories940K-char");
    }
    void referenceStreams() {
        // protocol.json: sentencepiece on tokenizer.model, BOS once, the first rows of each half.
        QS_NEED_SHARED(shared);
        const auto folder = shared / "data/models/stories940K-char";
        const auto model = loadSentencePiece(folder / "tokenizer.model"), asJson = loadTokenizer(folder);
        QS_VERIFY_OK(model);
        QS_VERIFY_OK(asJson);
        for (const std::string half : {"calib", "eval"}) {
            const Ids expected =
                readNpy(shared / ("data/reference/stories940K-char/" + half + "_tokens.npy"));
            QVERIFY(expected.size() >= 64 * 256);
            const auto text = *readTextFile(shared / ("data/text/tinystories_" + half + ".txt"));
            Ids ids = *(*model)->encode(text);
            QVERIFY(ids.size() >= expected.size());
            ids.resize(expected.size());
            QVERIFY(ids == expected);
            // tokenizer.json keeps runs of spaces, which tokenizer.model removes; the first half has none
            // that early.
            if (half == "calib") {
                ids = *(*asJson)->encode(text);
                ids.resize(expected.size());
                QVERIFY(ids == expected);
            }
        }
    }
    void libraryVectors() {
        QS_NEED_SHARED(shared);
        checkVectors(shared / "data/models/stories260K", kStories260K);
        checkVectors(shared / "data/models/prose-6m", kProse);
    }
    void wholeTexts() {
        // Both files of a model give the same ids for whole texts; the counts are the library's. Decoding
        // gives the text back.
        QS_NEED_SHARED(shared);
        struct Row {
            const char *model, *text;
            size_t tokens;
        };
        for (const Row& row : {Row{"stories260K", "tinyshakespeare.txt", 693363},
                               Row{"stories260K", "wikitext2_raw_test.txt", 809246},
                               Row{"prose-6m", "tinyshakespeare.txt", 424902},
                               Row{"prose-6m", "wikitext2_raw_test.txt", 436694}}) {
            const auto folder = shared / "data/models" / row.model;
            const auto asJson = loadTokenizer(folder), model = loadSentencePiece(folder / "tokenizer.model");
            QS_VERIFY_OK(asJson);
            QS_VERIFY_OK(model);
            const std::string text = *readTextFile(shared / "data/text" / row.text);
            const auto a = (*asJson)->encode(text, false), b = (*model)->encode(text, false);
            QS_VERIFY_OK(a);
            QS_VERIFY_OK(b);
            QCOMPARE(b->size(), row.tokens);
            QVERIFY(*a == *b);
            QVERIFY(*(*asJson)->decode(*a) == text);
            QVERIFY(*(*model)->decode(*b) == text);
        }
    }
    void specialTokensInText() {
        QS_NEED_SHARED(shared);
        const auto t = loadTokenizer(shared / "data/models/stories260K");
        QS_VERIFY_OK(t);
        // As in Hugging Face: "<s>" and "</s>" are found, and each stretch is a text of its own.
        Ids expected = {1, 1};
        for (const std::string part : {"mid", "word"}) {
            const auto ids = *(*t)->encode(part, false);
            expected.insert(expected.end(), ids.begin(), ids.end());
            if (part == "mid") expected.push_back(2);
        }
        QS_COMPARE_LISTS(*(*t)->encode("<s>mid</s>word"), expected);
        QCOMPARE(*(*t)->decode(expected), std::string("mid word"));
        QCOMPARE((*t)->bosId(), 1);
        QCOMPARE((*t)->eosId(), 2);
        QCOMPARE((*t)->vocabularySize(), 512);
        QCOMPARE((*t)->fingerprint().size(), size_t(64));
    }
    void characterVocabulary() {
        // No byte fallback: a run of unknown characters is one unknown token.
        QS_NEED_SHARED(shared);
        const auto t = loadTokenizer(shared / "data/models/stories940K-char");
        QS_VERIFY_OK(t);
        QS_COMPARE_LISTS(*(*t)->encode("e日本e"), (Ids{1, 3, 4, 0, 4}));
        QCOMPARE((*t)->vocabularySize(), 105);
    }
};

QS_TEST(SharedTokenizersTest)
#include "tst_shared_tokenizers.moc"

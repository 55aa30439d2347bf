// SPDX-License-Identifier: Apache-2.0
// Folders with vocab.json and merges.txt, or vocab.txt; ids by hand.
#include "core/base/file.h"
#include "core/text/tokenizer.h"
#include "tests/unit/text/text_fixtures.h"

using namespace qs;
using namespace qs::test;
namespace fs = std::filesystem;

namespace {

using Files = std::vector<std::pair<const char*, std::string>>;

Result<std::shared_ptr<const Tokenizer>> load(const Files& files) {
    const fs::path folder = scratchDir("vocabulary");
    for (const auto& [name, content] : files)
        if (const auto done = writeFileAtomically(folder / name, content); !done) return done.error();
    return loadTokenizer(folder);
}

const std::string kVocab =
    R"({"h": 0, "i": 1, "Ġ": 2, "hi": 3, "Ġhi": 4, "<|endoftext|>": 5, "<s>": 6, "</s>": 7, "<unk>": 8, "1": 9})";
const std::string kMerges = "#version: 0.2\nh i\r\nĠ hi\n\n";
const std::string kBert = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nsea\r\n##side\nthe\nSea\n\nsea\n";

} // namespace

class VocabularyFilesTest : public QObject {
    Q_OBJECT
private slots:
    void gpt2() {
        const auto t = load({{"vocab.json", kVocab}, {"merges.txt", kMerges}});
        QS_VERIFY_OK(t);
        QS_COMPARE_LISTS(*(*t)->encode("hi hi<|endoftext|> i"), (Ids{3, 4, 5, 2, 1}));
        QCOMPARE(*(*t)->decode({3, 4}), std::string("hi hi"));
        QCOMPARE((*t)->eosId(), 5);
        QCOMPARE((*t)->description(), std::string("vocab.json (BPE, byte-level)"));
        const auto bos =
            load({{"vocab.json", kVocab},
                  {"merges.txt", kMerges},
                  {"tokenizer_config.json",
                   R"({"tokenizer_class": "GPT2Tokenizer", "add_bos_token": true, "bos_token": "</s>",
                                    "add_prefix_space": true})"}});
        QS_VERIFY_OK(bos);
        QS_COMPARE_LISTS(*(*bos)->encode("hi"), (Ids{7, 4}));
    }
    void roberta() {
        const auto t = load({{"vocab.json", kVocab},
                             {"merges.txt", kMerges},
                             {"tokenizer_config.json", R"({"tokenizer_class": "RobertaTokenizer"})"}});
        QS_VERIFY_OK(t);
        QS_COMPARE_LISTS(*(*t)->encode("hi</s>i"), (Ids{6, 3, 7, 1, 7}));
    }
    void qwen2() {
        const auto t = load({{"vocab.json", kVocab},
                             {"merges.txt", kMerges},
                             {"added_tokens.json", R"({"<|im_start|>": 10})"},
                             {"tokenizer_config.json", R"({"tokenizer_class": "Qwen2TokenizerFast",
                               "added_tokens_decoder": {"11": {"content": "<|x|>", "special": true}}})"}});
        QS_VERIFY_OK(t);
        QS_COMPARE_LISTS(*(*t)->encode("hi11<|im_start|>hi<|x|>"), (Ids{3, 9, 9, 10, 3, 11}));
        QCOMPARE(*(*t)->decode({3, 10, 11}), std::string("hi<|im_start|>"));
    }
    void bert() {
        const auto t = load({{"vocab.txt", kBert}});
        QS_VERIFY_OK(t);
        // Of the two equal lines the last is found, as a Python dictionary has it.
        QS_COMPARE_LISTS(*(*t)->encode("The SEASIDE [MASK] 日"), (Ids{2, 7, 10, 6, 4, 1, 3}));
        QCOMPARE(*(*t)->decode({2, 7, 10, 6, 3}), std::string("the seaside"));
        QCOMPARE((*t)->description(), std::string("vocab.txt (WordPiece)"));
        const auto cased = load(
            {{"vocab.txt", kBert},
             {"tokenizer_config.json", R"({"tokenizer_class": "BertTokenizer", "do_lower_case": false})"}});
        QS_VERIFY_OK(cased);
        QS_COMPARE_LISTS(*(*cased)->encode("Sea sea The", false), (Ids{8, 10, 1}));
    }
    void byFile() {
        QS_VERIFY_OK(load({{"vocab.txt", kBert}}));
        const fs::path folder = scratchDir("files");
        QVERIFY(isTokenizerFile("x/tokenizer.json") && isTokenizerFile("spiece.model") &&
                isTokenizerFile("vocab.txt"));
        QVERIFY(!isTokenizerFile("model.safetensors.index.json") && !isTokenizerFile("a.gguf") &&
                !isTokenizerFile("b.txt"));
        QS_VERIFY_OK(writeFileAtomically(folder / "vocab.txt", kBert));
        const auto t = loadTokenizerFile(folder / "vocab.txt");
        QS_VERIFY_OK(t);
        QS_COMPARE_LISTS(*(*t)->encode("the"), (Ids{2, 7, 3}));
        const auto sample = loadTokenizerFile(sampleModel() / "tokenizer.json");
        QS_VERIFY_OK(sample);
        QCOMPARE((*sample)->fingerprint(), (*loadTokenizer(sampleModel()))->fingerprint());
        QS_VERIFY_ERROR(loadTokenizerFile(folder / "a.bin"), ErrorCode::Unsupported, "a.bin");
    }
    void damaged() {
        QS_VERIFY_ERROR(load({{"vocab.json", kVocab}}), ErrorCode::NotFound, "no tokenizer");
        QS_VERIFY_ERROR(load({{"vocab.json", kVocab}, {"merges.txt", "h i x\n"}}), ErrorCode::Corrupt,
                        "line 1");
        QS_VERIFY_ERROR(load({{"vocab.json", "[]"}, {"merges.txt", ""}}), ErrorCode::Corrupt, "vocab.json");
        QS_VERIFY_ERROR(load({{"vocab.json", kVocab},
                              {"merges.txt", kMerges},
                              {"tokenizer_config.json", R"({"tokenizer_class": "CLIPTokenizer"})"}}),
                        ErrorCode::Unsupported, "'CLIP'");
        QS_VERIFY_ERROR(load({{"vocab.txt", "a\n\xFF\n"}}), ErrorCode::Corrupt, "line 2");
        QS_VERIFY_ERROR(load({{"vocab.txt", "a\n"}}), ErrorCode::Corrupt, "[CLS]");
        QS_VERIFY_ERROR(
            load({{"vocab.txt", kBert}, {"tokenizer_config.json", R"({"tokenizer_class": "T5Tokenizer"})"}}),
            ErrorCode::Unsupported, "'T5'");
    }
};

QS_TEST(VocabularyFilesTest)
#include "tst_vocabulary_files.moc"

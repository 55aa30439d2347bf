// SPDX-License-Identifier: Apache-2.0
#include "core/checkpoint/checkpoint.h"

#include "core/checkpoint/hf_folder.h"
#include "tests/support/qs_test.h"
#include "tests/unit/checkpoint/safetensors_file.h"

#include <ctime>
#include <nlohmann/json.hpp>

namespace fs = std::filesystem;
using namespace qs;
using namespace qs::test;

namespace {

/// One U8 tensor "t" of the given bytes.
std::string fileOf(const std::string& data, const std::string& name = "t") {
    const std::string n = std::to_string(data.size());
    return safetensorsBytes(
        "{\"" + name + "\":{\"dtype\":\"U8\",\"shape\":[" + n + "],\"data_offsets\":[0," + n + "]}}", data);
}
std::string fingerprintOf(const fs::path& path) {
    const auto c = openCheckpoint(path);
    if (!c) return c.error().describe();
    const auto f = (*c)->fingerprint();
    return f ? *f : f.error().describe();
}
Error openError(const fs::path& path) {
    const auto c = openCheckpoint(path);
    return c ? Error{ErrorCode::Internal, "it opened", {}} : c.error();
}
bool mentions(const Error& e, const char* text) {
    return e.describe().find(text) != std::string::npos;
}

} // namespace

class TestCheckpoint : public QObject {
    Q_OBJECT
private slots:
    void tensorInfoShapes() {
        TensorInfo t;
        QCOMPARE(t.elements(), uint64_t(1)); // rank 0
        QCOMPARE(t.rows(), uint64_t(1));
        t.shape = {7};
        QCOMPARE(t.rows(), uint64_t(1));
        QCOMPARE(t.cols(), uint64_t(7));
        t.shape = {2, 3, 4};
        QCOMPARE(t.rows(), uint64_t(6));
        QCOMPARE(t.cols(), uint64_t(4));
        t.shape = {3, 0};
        QCOMPARE(t.rows(), uint64_t(0));
    }

    void nothingThere() {
        const fs::path dir = scratchDir("nothing");
        const Error absent = openError(dir / "absent");
        QCOMPARE(absent.code, ErrorCode::NotFound);
        QVERIFY(mentions(absent, "absent"));
        writeText(dir / "README.md", "hello");
        const Error folder = openError(dir);
        QCOMPARE(folder.code, ErrorCode::NotFound);
        QVERIFY(mentions(folder, "nothing") && mentions(folder, "model.safetensors") &&
                mentions(folder, "model.safetensors.index.json"));
        const Error file = openError(dir / "README.md");
        QCOMPARE(file.code, ErrorCode::Unsupported);
        QVERIFY(mentions(file, "README.md") && mentions(file, ".safetensors"));
    }

    void foreignFormatsAreNamed() {
        const fs::path dir = scratchDir("foreign");
        for (const auto& [name, format] :
             {std::pair("weights.npz", "NumPy"), {"M.MSGPACK", "Flax"}, {"m.onnx", "ONNX"}}) {
            writeText(dir / name, "whatever it is that is in there");
            const Error e = openError(dir / name);
            QCOMPARE(e.code, ErrorCode::Unsupported);
            QVERIFY2(mentions(e, name) && mentions(e, format) && mentions(e, "not supported yet") &&
                         mentions(e, ".safetensors"),
                     e.describe().c_str());
        }
        const Error folder = openError(dir);
        QCOMPARE(folder.code, ErrorCode::Unsupported);
        QVERIFY(mentions(folder, "M.MSGPACK (Flax)") && mentions(folder, "weights.npz (NumPy)"));
        writeText(dir / "m.h5", "whatever it is that is in there");
        writeText(dir / "M.PT", "whatever it is that is in there");
        const Error alone = openError(dir);
        QCOMPARE(alone.code, ErrorCode::NotFound);
        QVERIFY2(mentions(alone, "by themselves: M.PT, m.h5"), alone.describe().c_str());
    }

    void relativeAndOddPaths() {
        const fs::path dir = scratchDir("paths");
        writeText(dir / "model.safetensors", fileOf("abc"));
        const fs::path before = fs::current_path();
        fs::current_path(dir);
        for (const char* path : {".", "./", "../paths", "../paths//"}) {
            const auto c = openCheckpoint(path);
            QS_VERIFY_OK(c);
            QCOMPARE((*c)->displayName(), std::string("paths"));
        }
        fs::current_path(before);
        QVERIFY(!openCheckpoint(""));
    }

    void fingerprint() {
        const fs::path dir = scratchDir("print");
        const std::string data(20000, 'x');
        const auto with = [&](size_t position) {
            std::string changed = data;
            changed[position] = 'y';
            writeText(dir / "model.safetensors", fileOf(changed));
            return fingerprintOf(dir);
        };
        writeText(dir / "model.safetensors", fileOf(data));
        const std::string base = fingerprintOf(dir);
        QCOMPARE(base.size(), size_t(64));
        QVERIFY(base.find_first_not_of("0123456789abcdef") == std::string::npos);
        QCOMPARE(fingerprintOf(dir), base);
        QCOMPARE(fingerprintOf(dir / "model.safetensors"), base); // the folder or its file: the same weights
        QVERIFY(with(0) != base);
        QVERIFY(with(4095) != base);
        QVERIFY(with(20000 - 4096) != base);
        QVERIFY(with(19999) != base);
        writeText(dir / "model.safetensors", fileOf(data, "u"));
        QVERIFY(fingerprintOf(dir) != base);
        writeText(dir / "model.safetensors", fileOf(std::string(20001, 'x')));
        QVERIFY(fingerprintOf(dir) != base);
    }

    // What the fingerprint hashes, done by hand for one small tensor.
    void fingerprintFormula() {
        const fs::path dir = scratchDir("formula");
        const std::string file = fileOf("abc");
        writeText(dir / "model.safetensors", file);
        const std::string stream = "1 t U8 [3] 17 model.safetensors\n"
                                   "abc"
                                   "abc"
                                   "17 model.safetensors " +
                                   std::to_string(file.size()) + "\n";
        QCOMPARE(fingerprintOf(dir), sha256Hex(stream));
    }

    void companionFiles() {
        const fs::path from = scratchDir("from"), to = scratchDir("to"), blobs = scratchDir("blob");
        for (const char* name :
             {"tokenizer.json", "tokenizer.model", "generation_config.json", "chat_template.jinja", "LICENSE",
              "config.json", "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "a.pt",
              "b.gguf", ".gitattributes", "README.md"})
            writeText(from / name, std::string("content of ") + name);
        writeText(blobs / "0a1b", "linked");
        fs::create_symlink(blobs / "0a1b", from / "vocab.json");
        fs::create_symlink(blobs / "gone", from / "dangling.json");
        fs::create_directory(from / "onnx");
        fs::permissions(from / "LICENSE", fs::perms::owner_read);
        const auto copied = copyCompanionFiles(from, to, {"README.md"});
        QS_VERIFY_OK(copied);
        QCOMPARE(*copied,
                 (std::vector<std::string>{"LICENSE", "chat_template.jinja", "generation_config.json",
                                           "tokenizer.json", "tokenizer.model", "vocab.json"}));
        QCOMPARE(size_t(std::distance(fs::directory_iterator(to), fs::directory_iterator())), copied->size());
        QCOMPARE(readText(to / "tokenizer.json"), std::string("content of tokenizer.json"));
        QVERIFY(!fs::is_symlink(to / "vocab.json"));
        QCOMPARE(readText(to / "vocab.json"), std::string("linked"));
        QS_VERIFY_OK(copyCompanionFiles(from, to, {"README.md"})); // again, over the first copies
        QVERIFY(!copyCompanionFiles(from, from));
        QVERIFY(!copyCompanionFiles(from, to / "absent"));
        QVERIFY(!copyCompanionFiles(from / "absent", to));
    }

    void modelConfig() {
        const fs::path dir = scratchDir("config");
        const auto none = readModelConfig(dir);
        QS_VERIFY_OK(none);
        QVERIFY(none->is_null());
        writeText(dir / "config.json", R"({"a":[1,{"b":2.5}]})");
        const auto some = readModelConfig(dir);
        QS_VERIFY_OK(some);
        QCOMPARE((*some)["a"][1]["b"].get<double>(), 2.5);
        fs::remove(dir / "config.json");
        fs::create_symlink(dir / "gone", dir / "config.json");
        QVERIFY(!readModelConfig(dir)); // a broken link is a damaged folder, not an absent file
    }

    // One file of 100,000 tensors and an index: opened from headers alone.
    void manyTensorsInShards() {
        const fs::path dir = scratchDir("many");
        const size_t shards = 10, perShard = 10000;
        std::string map;
        for (size_t s = 0; s < shards; ++s) {
            const std::string shard = "model-0000" + std::to_string(s) + "-of-00010.safetensors";
            std::string json = "{";
            for (size_t i = 0; i < perShard; ++i) {
                const std::string name = "model.layers." + std::to_string(s) + ".mlp.experts." +
                                         std::to_string(i) + ".down_proj.weight";
                json += (i ? ",\"" : "\"") + name +
                        "\":{\"dtype\":\"F16\",\"shape\":[1,1],\"data_offsets\":[" + std::to_string(2 * i) +
                        "," + std::to_string(2 * i + 2) + "]}";
                map += (map.empty() ? "\"" : ",\"") + name + "\":\"" + shard + "\"";
            }
            writeText(dir / shard, safetensorsBytes(json + "}", std::string(2 * perShard, '\0')));
        }
        writeText(dir / "model.safetensors.index.json", "{\"weight_map\":{" + map + "}}");
        const std::clock_t start = std::clock();
        const auto c = openCheckpoint(dir);
        const double ms = double(std::clock() - start) * 1e3 / CLOCKS_PER_SEC;
        QS_VERIFY_OK(c);
        QCOMPARE((*c)->tensors().size(), shards * perShard);
        const size_t i = (*c)->find("model.layers.7.mlp.experts.42.down_proj.weight");
        QCOMPARE((*c)->tensors()[i].file, std::string("model-00007-of-00010.safetensors"));
        qInfo("100000 tensors in 10 shards: opened in %.0f ms", ms);
    }
};

QS_TEST(TestCheckpoint)
#include "tst_checkpoint.moc"

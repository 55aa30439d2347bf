// SPDX-License-Identifier: Apache-2.0
// Inspecting and evaluating folders that are quantized already.
#include "tests/unit/cli/cli_process.h"

#include <cmath>
#include <fstream>

using namespace qs;
using namespace qs::test;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

fs::path models() {
    return sourceDir() / "tests/golden/packed/models";
}

/// 60 token ids, all below the models' 41.
fs::path tokens() {
    const fs::path file = scratchDir("packed-tokens") / "ids.npy";
    std::string header = "{'descr': '<i4', 'fortran_order': False, 'shape': (1, 60), }";
    header.resize(117, ' ');
    header += '\n';
    std::ofstream out(file, std::ios::binary);
    out << "\x93NUMPY" << '\x01' << '\x00' << char(header.size()) << '\x00' << header;
    for (int32_t i = 0; i < 60; ++i) {
        const int32_t id = i * 23 % 41;
        out.write(reinterpret_cast<const char*>(&id), 4);
    }
    return file;
}

/// The twin with plain weights as a folder of its own.
fs::path plainTwin(const QString& name) {
    const fs::path from = models() / name.toStdString(), to = scratchDir("packed-twin");
    fs::copy_file(from / "plain.safetensors", to / "model.safetensors");
    json config = json::parse(std::ifstream(from / "config.json"));
    config.erase("quantization_config");
    std::ofstream(to / "config.json") << config;
    return to;
}

} // namespace

class CliPacked : public QObject {
    Q_OBJECT
private slots:
    void evaluatesAsItsPlainTwin_data() {
        QTest::addColumn<QString>("name");
        for (const char* name : {"gptq_v1_act_order", "awq", "ct_pack", "bnb_nf4_double"})
            QTest::newRow(name) << name;
    }
    void evaluatesAsItsPlainTwin() {
        QFETCH(QString, name);
        const QString packed = text(models() / name.toStdString()), ids = text(tokens());
        const Outcome a = cli({"evaluate", packed, "--tokens", ids, "--json"});
        QS_EXIT(a, 0);
        const Outcome b = cli({"evaluate", text(plainTwin(name)), "--tokens", ids, "--json"});
        QS_EXIT(b, 0);
        const double have = a.json()["ppl"], want = b.json()["ppl"];
        QVERIFY2(want > 1 && std::abs(have - want) <= 1e-5 * want, qPrintable(QString::number(have - want)));
    }

    void inspectShowsCodesAndScales() {
        const QString model = text(models() / "awq");
        const Outcome o = cli({"inspect", model, "--json"});
        QS_EXIT(o, 0);
        const json all = o.json();
        // 41 x 32 embedding, 3 norms of 32, 3 * 2048 + 2 * 1024 + 2 * 512 weights.
        QCOMPARE(all["elements"].get<int>(), 41 * 32 + 96 + 9216);
        QCOMPARE(all["quantizable"].get<int>(), 0);
        QCOMPARE(all["packed"][0].get<std::string>(),
                 std::string("AWQ 4-bit, group 32, asymmetric (7 linears)"));
        QCOMPARE(all["tensors"].size(), size_t(11));
        const auto it = std::find_if(all["tensors"].begin(), all["tensors"].end(), [](const json& t) {
            return t["module"] == "layers.0.self_attn.k_proj";
        });
        QVERIFY(it != all["tensors"].end());
        QCOMPARE((*it)["name"].get<std::string>(), std::string("model.layers.0.self_attn.k_proj.weight"));
        QVERIFY((*it)["dtype"].is_null());
        QCOMPARE((*it)["shape"], json({16, 32}));
        const json& packed = (*it)["packed"];
        QCOMPARE(packed["layout"].get<std::string>(), std::string("awq"));
        QCOMPARE(packed["bits"].get<int>(), 4);
        // Codes 256 bytes, zeros 8, scales 32 for 512 weights.
        QCOMPARE((*it)["bytes"].get<int>(), 296);
        QCOMPARE(packed["bits_per_weight"].get<double>(), 4.625);
        int codes = 0;
        for (const auto& [code, count] : packed["codes"].items())
            codes += count.get<int>();
        QCOMPARE(codes, 512);
        QVERIFY(packed["scale"]["min"].get<double>() > 0);
        QVERIFY((*it)["stats"]["absmax"].get<double>() > 0);
        const Outcome table = cli({"inspect", model});
        QS_EXIT(table, 0);
        for (const char* part : {"int4 g32 asym", "16 of 16", "4.625"})
            QVERIFY2(table.out.contains(part), table.out.constData());
    }

    /// FP8: the runtime rounds inputs too, and inspection says so.
    void inputsAreRounded() {
        const QString packed = text(models() / "fp8_block"), ids = text(tokens());
        const Outcome a = cli({"evaluate", packed, "--tokens", ids, "--json"}),
                      b = cli({"evaluate", text(plainTwin("fp8_block")), "--tokens", ids, "--json"});
        QS_EXIT(a, 0);
        QS_EXIT(b, 0);
        const double have = a.json()["ppl"], plain = b.json()["ppl"];
        const double moved = std::abs(have - plain) / plain;
        QVERIFY2(moved > 1e-5 && moved < 0.1, qPrintable(QString::number(moved)));
        const Outcome seen = cli({"inspect", packed});
        QS_EXIT(seen, 0);
        QVERIFY2(seen.out.contains("inputs fp8 per 16 channels"), seen.out.constData());
    }

    /// A rounded cache that only the runtime has is said, not passed over in silence.
    void storedCacheSchemeIsSaid() {
        const fs::path to = scratchDir("packed-cache-cli");
        fs::copy(models() / "ct_pack", to,
                 fs::copy_options::recursive | fs::copy_options::overwrite_existing);
        const QString ids = text(tokens());
        const Outcome before = cli({"evaluate", text(to), "--tokens", ids, "--json"});
        QS_EXIT(before, 0);
        QVERIFY(before.json()["warnings"].empty());
        json config = json::parse(std::ifstream(to / "config.json"));
        config["quantization_config"]["kv_cache_scheme"] = {{"num_bits", 8}, {"type", "float"}};
        std::ofstream(to / "config.json") << config;
        const Outcome after = cli({"evaluate", text(to), "--tokens", ids, "--json"});
        QS_EXIT(after, 0);
        QCOMPARE(after.json()["ppl"].get<double>(), before.json()["ppl"].get<double>());
        const std::string warning = after.json()["warnings"].at(0);
        QVERIFY2(
            warning.find(R"(quantization_config.kv_cache_scheme of the checkpoint asks for a rounded KV )"
                         R"(cache ({"num_bits":8,"type":"float"}))") == 0,
            warning.c_str());
        QVERIFY2(after.err.contains("kv_cache_scheme"), after.err.constData());
        const Outcome plan = cli({"plan", text(to), "--json"});
        QVERIFY2(plan.out.contains("stored-kv-cache"), plan.out.constData());
    }

    void quantizingAgainIsRefused() {
        const fs::path out = scratchDir("packed-again") / "run";
        const Outcome o =
            cli({"quantize", text(models() / "fp8_block"), "--method", "rtn", "--output", text(out)});
        QS_EXIT(o, 1);
        QVERIFY2(o.err.contains("FP8 E4M3, block 20x16"), o.err.constData());
        QVERIFY(!fs::exists(out / "run.json"));
    }

    void damagedSaysWhere() {
        const fs::path to = scratchDir("packed-damaged-cli");
        fs::copy(models() / "awq", to, fs::copy_options::recursive | fs::copy_options::overwrite_existing);
        json config = json::parse(std::ifstream(to / "config.json"));
        config["quantization_config"]["group_size"] = 16;
        std::ofstream(to / "config.json") << config;
        const Outcome o = cli({"evaluate", text(to), "--tokens", text(tokens())});
        QS_EXIT(o, 1);
        QVERIFY2(o.err.contains("self_attn.q_proj.scales") && o.err.contains("group_size 16"),
                 o.err.constData());
        QS_EXIT(cli({"inspect", text(to)}), 0); // at tensor level, with the reason
    }
};

QS_TEST(CliPacked)
#include "tst_cli_packed.moc"

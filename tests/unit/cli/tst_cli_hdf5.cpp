// SPDX-License-Identifier: Apache-2.0
// HDF5 files on the command line: their tree, their statistics, a dump in place of a calibration text.
#include "core/hdf5/h5_file.h"
#include "tests/support/small_model.h"
#include "tests/unit/cli/cli_process.h"

#include <fstream>
#include <random>

using namespace qs;
using namespace qs::test;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

QString foreign(const char* name) {
    return text(sourceDir() / "tests/unit/reader/foreign" / name);
}

json objectAt(const json& list, const std::string& path) {
    for (const json& o : list)
        if (o["path"] == path) return o;
    return json();
}

/// Inputs of every linear of a small model (hidden 32, intermediate 64), by stored module name.
Result<void> writeDump(const fs::path& path, bool allSites) {
    QS_TRY(auto w, H5Writer::begin(path));
    std::mt19937 rng(3);
    std::normal_distribution<float> normal;
    const auto add = [&](const std::string& name, uint64_t channels) -> Result<void> {
        std::vector<float> x(300 * channels);
        for (float& v : x)
            v = normal(rng);
        return w->array<float>("/activations/model.layers." + name, x, {3, 100, channels},
                               H5Filter::Compress);
    };
    for (const std::string block : {"0.", "1."}) {
        QS_CHECK(add(block + "self_attn.q_proj", 32));
        if (!allSites) continue;
        QS_CHECK(add(block + "self_attn.o_proj", 32));
        QS_CHECK(add(block + "mlp.up_proj", 32));
        QS_CHECK(add(block + "mlp.down_proj", 64));
    }
    return w->commit();
}

} // namespace

class CliHdf5 : public QObject {
    Q_OBJECT
private slots:
    void tree() {
        const Outcome o = cli({"inspect", foreign("keras3.weights.h5"), "--tree", "--json"});
        QS_EXIT(o, 0);
        const json objects = o.json()["objects"];
        const json dense = objectAt(objects, "/layers/dense/vars/0");
        QCOMPARE(dense["name"], json("dense.weight"));
        QCOMPARE(dense["dtype"], json("BF16"));
        QCOMPARE(dense["shape"], json({2, 3}));
        QCOMPARE(dense["shown_shape"], json({3, 2}));
        QCOMPARE(dense["decided_by"], json("Keras"));
        QCOMPARE(objectAt(objects, "/optimizer/vars/0")["role"], json("ignore"));
        const Outcome refused = cli({"inspect", foreign("refused.h5"), "--tree"});
        QS_EXIT(refused, 0);
        QVERIFY(refused.out.contains("refused: a link to another file"));
        QS_EXIT(cli({"inspect", text(sampleModel()), "--tree"}), 1);
        QS_EXIT(cli({"inspect", text(sampleModel()), "--tree", "--header-only"}), 2);
    }

    void statistics() {
        const Outcome weights = cli({"inspect", foreign("keras2.weights.h5"), "--json"});
        QS_EXIT(weights, 0);
        QCOMPARE(weights.json()["tensors"].size(), size_t(10));
        const Outcome dump = cli({"inspect", foreign("dump.h5"), "--json"});
        QS_EXIT(dump, 0);
        const json site = dump.json()["activations"][0];
        QCOMPARE(site["site"], json("layers.0.attn"));
        QCOMPARE(site["tokens"], json(6));
        QCOMPARE(site["channels"], json(4));
        QCOMPARE(site["absmax"], json(23.0));
        QCOMPARE(site["not_finite"], json(0));
    }

    void calibrateAndQuantize() {
        const fs::path dir = scratchDir("cli-dump");
        const SmallModelShape shape;
        QS_VERIFY_OK(writeSmallModel(dir / "model", shape, smallConfig(shape)));
        QS_VERIFY_OK(writeDump(dir / "dump.h5", true));
        const Outcome made = cli({"calibrate", text(dir / "model"), "--activations", text(dir / "dump.h5"),
                                  "--output", text(dir / "c.h5"), "--json"});
        QS_EXIT(made, 0);
        QCOMPARE(made.json()["sites"], json(8));
        QCOMPARE(made.json()["unused"], json::array());
        QCOMPARE(made.json()["missing_sites"], json::array());
        const Outcome run =
            cli({"quantize", text(dir / "model"), "--method", "gptq", "--bits", "4", "--group", "32",
                 "--calibration", text(dir / "c.h5"), "--output", text(dir / "run"), "--json"});
        QS_EXIT(run, 0);
        const Outcome shown =
            cli({"inspect", text(dir / "model"), "--calibration", text(dir / "c.h5"), "--json"});
        QS_EXIT(shown, 0);
        QCOMPARE(shown.json()["activations"].size(), size_t(8));
    }

    void whatIsMissingIsSaid() {
        const fs::path dir = scratchDir("cli-dump-part");
        const SmallModelShape shape;
        QS_VERIFY_OK(writeSmallModel(dir / "model", shape, smallConfig(shape)));
        QS_VERIFY_OK(writeDump(dir / "dump.h5", false));
        const QStringList common = {"calibrate", text(dir / "model"), "--output", text(dir / "c.h5")};
        const Outcome made = cli(common + QStringList{"--activations", text(dir / "dump.h5"), "--json"});
        QS_EXIT(made, 0);
        QCOMPARE(made.json()["sites"], json(2));
        QCOMPARE(made.json()["missing_sites"].size(), size_t(6));
        const Outcome part =
            cli({"quantize", text(dir / "model"), "--method", "gptq", "--bits", "4", "--group", "32",
                 "--calibration", text(dir / "c.h5"), "--output", text(dir / "run")});
        QS_EXIT(part, 1);
        QVERIFY2(part.err.contains("no activation of site"), part.err.constData());
        std::ofstream(dir / "map.json") << "{\"rules\": [{\"pattern\": \"**q_proj\", \"role\": "
                                           "\"activation\", \"module\": \"nothing.{1}\"}]}";
        const Outcome none = cli(
            common + QStringList{"--activations", text(dir / "dump.h5"), "--map", text(dir / "map.json")});
        QS_EXIT(none, 1);
        QVERIFY2(none.err.contains("none of the 2 activations"), none.err.constData());
        QS_EXIT(cli(common + QStringList{"--map", text(dir / "map.json")}), 2);
        QS_EXIT(cli(common + QStringList{"--activations", text(dir / "dump.h5"), "--window", "64"}), 2);
    }
};

QS_TEST(CliHdf5)
#include "tst_cli_hdf5.moc"

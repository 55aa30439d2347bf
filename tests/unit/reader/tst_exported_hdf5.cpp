// SPDX-License-Identifier: Apache-2.0
// Models in the HDF5 layout that this program exports: one written by h5py (tests/golden/gen/hdf5_model.py),
// and ones that break its rules.
#include "core/base/file.h"
#include "core/base/named_files.h"
#include "core/checkpoint/exported_hdf5.h"
#include "core/hdf5/h5_file.h"
#include "tests/support/qs_test.h"

#include <cmath>
#include <nlohmann/json.hpp>

using namespace qs;
using namespace qs::test;
namespace fs = std::filesystem;

namespace {

/// A tensor "w" [2, 3] of one linear, with what a case changes.
struct Small {
    int64_t schemaVersion = 1;
    std::string shape = "[2,3]", values = kLevelValues, levels = "/levels/0", stored = "whole", mark;
    std::vector<uint8_t> codes = {0, 1, 2, 2, 1, 0};
    H5Shape codesShape = {2, 3}, scaleShape = {2, 1};
    std::vector<float> scale = {0.5f, 2}, table = {-1, 0, 3};
    std::vector<int32_t> groups = {0, 0, 0}, ranges;
    int64_t blockRows = 1;
    bool zero = true;
    std::function<Result<void>(H5Writer& w, const std::string& group)> more; ///< arrays beside the codes
};

template<class T>
Result<void> put(H5Writer& w, const std::string& name, const std::vector<T>& values, const H5Shape& shape) {
    return w.array<T>(name, values, shape, H5Filter::Checksum);
}

Result<void> write(const fs::path& file, const Small& s) {
    QS_TRY(const auto w, H5Writer::begin(file));
    QS_CHECK(w->attributes("/", {{"schema", "quantoscope-model"}, {"schema_version", s.schemaVersion}}));
    QS_CHECK(w->group("/tensors/w"));
    QS_CHECK(w->attributes("/tensors/w", {{"name", "w"}, {"shape", s.shape}, {"format", "three levels"}}));
    const std::string group = s.stored == "whole" ? "/tensors/w" : "/tensors/w/part";
    QS_CHECK(w->group(group));
    QS_CHECK(w->attributes(
        group,
        {{"block_rows", s.blockRows}, {"values", s.values}, {"levels", s.levels}, {"stored", s.stored}}));
    QS_CHECK(put(*w, group + "/codes", s.codes, s.codesShape));
    QS_CHECK(put(*w, group + "/scale", s.scale, s.scaleShape));
    if (s.zero) QS_CHECK(put(*w, group + "/zero", std::vector<float>(s.scale.size(), 0.25f), s.scaleShape));
    QS_CHECK(put(*w, group + "/group_of_column", s.groups, {s.groups.size()}));
    if (!s.ranges.empty()) QS_CHECK(put(*w, group + "/row_ranges", s.ranges, {s.ranges.size() / 2, 2}));
    QS_CHECK(put(*w, "/levels/0", s.table, {s.table.size()}));
    if (s.more) QS_CHECK(s.more(*w, group));
    return w->commit();
}

/// Numbers that are put into an array of this type.
template<class T>
std::function<Result<void>(H5Writer&, const std::string&)> array(const char* name, std::vector<T> values,
                                                                 H5Shape shape = {}) {
    if (shape.empty()) shape = {values.size()};
    return [=](H5Writer& w, const std::string& group) { return put(w, group + "/" + name, values, shape); };
}
std::function<Result<void>(H5Writer&, const std::string&)> signs(std::vector<int8_t> values) {
    return [=](H5Writer& w, const std::string& group) -> Result<void> {
        QS_CHECK(w.reserve(group + "/rotation_signs", H5Type::I8, {values.size()}));
        return w.fill(group + "/rotation_signs", H5Type::I8, std::as_bytes(std::span(values)));
    };
}
std::vector<HalfBits> halves(std::initializer_list<float> values) {
    std::vector<HalfBits> out;
    for (const float v : values)
        out.push_back({floatToHalf(v)});
    return out;
}
using Arrays = std::vector<std::function<Result<void>(H5Writer&, const std::string&)>>;
void add(Small& s, Arrays arrays) {
    s.more = [arrays = std::move(arrays)](H5Writer& w, const std::string& group) -> Result<void> {
        for (const auto& a : arrays)
            QS_CHECK(a(w, group));
        return {};
    };
}
/// What a row of three weights keeps, with one thing changed.
Arrays kept(std::vector<int32_t> start, std::vector<int32_t> column, std::vector<HalfBits> value) {
    return {array("kept_start", std::move(start)), array("kept_column", std::move(column)),
            array("kept_value", std::move(value))};
}

void row(const char* name, const char* says, const std::function<void(Small&)>& change) {
    Small s;
    change(s);
    QTest::newRow(name) << s << says;
}

/// Opens it and reads the tensor; the error's text, "" when there is none.
std::string problemOf(const Small& s) {
    const fs::path file = scratchDir("exported-hostile") / "model.h5";
    if (auto written = write(file, s); !written) return "not written: " + written.error().describe();
    const auto c = openCheckpoint(file);
    if (!c) return c.error().describe();
    const auto m = (*c)->readMatrix("w");
    return m ? std::string() : m.error().describe();
}

} // namespace

class ExportedHdf5 : public QObject {
    Q_OBJECT
private slots:
    void writtenByH5py() {
        const fs::path folder = sourceDir() / "tests/golden/hdf5";
        const auto c = openCheckpoint(folder / "model.h5");
        QS_VERIFY_OK(c);
        const auto values = nlohmann::json::parse(*readTextFile(folder / "values.json"));
        QCOMPARE((*c)->tensors().size(), values.size());
        const std::map<std::string, std::vector<uint64_t>> shapes = {{"a/b.weight", {4, 6}},
                                                                     {"blocks.weight", {5, 4}},
                                                                     {"fused.weight", {7, 3}},
                                                                     {"conv.weight", {3, 4}},
                                                                     {"norm", {3}},
                                                                     {"embed", {3, 2}},
                                                                     {"step", {}},
                                                                     {"beside.weight", {5, 12}},
                                                                     {"turned.weight", {3, 4}},
                                                                     {"table.weight", {4, 6}}};
        for (const auto& [name, shape] : shapes) {
            const size_t i = (*c)->find(name);
            QVERIFY2(i != Checkpoint::npos, name.c_str());
            const TensorInfo& t = (*c)->tensors()[i];
            QVERIFY2(t.shape == shape, name.c_str());
            if (name == "step") { // integers have no float values in any reader
                const auto bytes = (*c)->rawBytes(i);
                QS_VERIFY_OK(bytes);
                QCOMPARE(bytes->size(), size_t(8));
                QCOMPARE(int((*bytes)[0]), 7);
                continue;
            }
            const auto m = (*c)->readMatrix(i);
            QS_VERIFY_OK(m);
            QCOMPARE(m->size(), values.at(name).size());
            for (size_t k = 0; k < m->size(); ++k)
                QCOMPARE(m->data()[k], values.at(name)[k].get<float>());
            // Rows asked for one by one are the same.
            Matrix row(1, m->cols());
            for (size_t r = m->rows(); r-- > 0;) {
                QS_VERIFY_OK((*c)->readRows(i, r, row.view()));
                QVERIFY(std::equal(row.row(0), row.row(0) + row.cols(), m->row(r)));
            }
            QVERIFY(!(*c)->readRows(i, m->rows(), row.view()));
        }
        QCOMPARE((*c)->tensors()[(*c)->find("a/b.weight")].encoding, std::string("int4 g3"));
        QVERIFY((*c)->tensors()[(*c)->find("embed")].dtype == DType::BF16);
        QCOMPARE((*c)->config().at("hidden_size").get<int>(), 3);
        const NamedFiles* files = (*c)->carriedFiles();
        QVERIFY(files && files->has("config.json") && !files->has("tokenizer.json"));
        QVERIFY(!files->read("config.json", 3));
        QVERIFY(!files->read("tokenizer.json", 100));
        // A folder with such a file is a model, too.
        const auto ofFolder = openCheckpoint(folder);
        QS_VERIFY_OK(ofFolder);
        QCOMPARE((*ofFolder)->tensors().size(), values.size());
    }

    void smallOne() {
        const fs::path file = scratchDir("exported-small") / "model.h5";
        QS_VERIFY_OK(write(file, {}));
        const auto c = openCheckpoint(file);
        QS_VERIFY_OK(c);
        const auto m = (*c)->readMatrix("w");
        QS_VERIFY_OK(m);
        // scale * level - 0.25
        const std::vector<float> want = {-0.75f, -0.25f, 1.25f, 5.75f, -0.25f, -2.25f};
        QVERIFY(std::equal(want.begin(), want.end(), m->data()));
    }

    void brokenRules_data() {
        QTest::addColumn<Small>("small");
        QTest::addColumn<QString>("says");
        row("version", "schema version", [](Small& s) { s.schemaVersion = 2; });
        row("shape is no list", "shape", [](Small& s) { s.shape = "x"; });
        row("shape is huge", "shape", [](Small& s) { s.shape = "[1099511627776,1099511627776]"; });
        row("shape is negative", "shape", [](Small& s) { s.shape = "[-2,3]"; });
        row("another shape", "does not fit", [](Small& s) { s.shape = "[3,2]"; });
        row("more rows", "comes from nowhere", [](Small& s) { s.shape = "[3,3]"; });
        row("fewer rows", "not there", [](Small& s) { s.shape = "[1,3]"; });
        row("formula", "not known", [](Small& s) { s.values = "tan(code)"; });
        row("half a reassembly", "channels_second", [](Small& s) {
            add(s, {array<int32_t>("channels_first", {0, 1, 2})});
        });
        row("a channel beyond", "reads 3 of 3", [](Small& s) {
            add(s,
                {array<int32_t>("channels_first", {0, 1, 3}), array<int32_t>("channels_second", {0, 1, 2})});
        });
        row("a channel below 0", "reads 4294967295 of 3", [](Small& s) {
            add(s,
                {array<int32_t>("channels_first", {0, -1, 2}), array<int32_t>("channels_second", {0, 1, 2})});
        });
        row("no table", "table", [](Small& s) { s.levels = "/levels/1"; });
        row("a table that is none", "table", [](Small& s) { s.levels = "/tensors/w/codes"; });
        row("code without level", "code 2 of 2 levels", [](Small& s) { s.table = {-1, 0}; });
        row("level is NaN", "not finite", [](Small& s) { s.table[1] = NAN; });
        row("scale is infinite", "not finite", [](Small& s) { s.scale[1] = INFINITY; });
        row("group beyond", "group 1 of 1", [](Small& s) { s.groups[2] = 1; });
        row("group below", "group -1 of 1", [](Small& s) { s.groups[0] = -1; });
        row("too few groups", "group_of_column", [](Small& s) { s.groups.pop_back(); });
        row("scale rows", "rows for", [](Small& s) {
            s.scale = {1, 1, 1};
            s.scaleShape = {3, 1};
        });
        row("block rows 0", "block_rows", [](Small& s) { s.blockRows = 0; });
        row("block rows below 0", "block_rows", [](Small& s) { s.blockRows = -1; });
        row("no zero", "zero", [](Small& s) { s.zero = false; });
        row("codes of one dimension", "codes", [](Small& s) { s.codesShape = {6}; });
        row("unknown place", "not known", [](Small& s) { s.stored = "diagonal"; });
        row("outputs beyond", "not there", [](Small& s) {
            s.stored = "rows";
            s.ranges = {1, 2};
        });
        row("outputs twice", "twice", [](Small& s) {
            s.stored = "rows";
            s.ranges = {0, 1, 0, 1};
        });
        row("negative output", "outputs", [](Small& s) {
            s.stored = "rows";
            s.ranges = {-1, 2};
        });
        row("outputs missing", "rows for", [](Small& s) {
            s.stored = "rows";
            s.ranges = {0, 1};
        });
        row("transposed", "does not fit", [](Small& s) { s.stored = "transposed"; });
        row("more groups than columns", "1 to 3 groups", [](Small& s) {
            s.scale.assign(8, 1.0f);
            s.scaleShape = {2, 4};
        });
    }
    void brokenRules() { check(); }

    void brokenExtras_data() {
        QTest::addColumn<Small>("small");
        QTest::addColumn<QString>("says");
        row("kept without values", "kept_value", [](Small& s) {
            add(s, {array<int32_t>("kept_start", {0, 1, 1}), array<int32_t>("kept_column", {0})});
        });
        row("kept without columns", "kept_column", [](Small& s) {
            add(s, {array<int32_t>("kept_start", {0, 1, 1})});
        });
        row("starts of other rows", "kept_start", [](Small& s) {
            add(s, kept({0, 1, 1, 1}, {0}, halves({1})));
        });
        row("starts that descend", "kept_start", [](Small& s) { add(s, kept({0, 1, 0}, {0}, halves({1}))); });
        row("a start below 0", "kept_start", [](Small& s) { add(s, kept({-1, 1, 1}, {0}, halves({1}))); });
        row("a start beyond", "kept_start", [](Small& s) { add(s, kept({0, 1, 2}, {0}, halves({1}))); });
        row("a row of too many", "kept_start", [](Small& s) {
            add(s, kept({0, 4, 4}, {0, 1, 2, 2}, halves({1, 1, 1, 1})));
        });
        row("a column beyond", "element 0 is 3 of 3", [](Small& s) {
            add(s, kept({0, 1, 1}, {3}, halves({1})));
        });
        row("a column below 0", "element 0 is -1 of 3", [](Small& s) {
            add(s, kept({0, 1, 1}, {-1}, halves({1})));
        });
        row("kept NaN", "not finite", [](Small& s) { add(s, kept({0, 1, 1}, {2}, halves({NAN}))); });
        row("more kept than weights", "up to 6", [](Small& s) {
            add(s, kept({0, 3, 6}, {0, 1, 2, 0, 1, 2, 0}, halves({1, 1, 1, 1, 1, 1, 1})));
        });
        row("half a product", "low_rank_b", [](Small& s) {
            add(s, {array("low_rank_a", halves({1, 2}), {2, 1})});
        });
        row("the other half", "low_rank_a", [](Small& s) {
            add(s, {array("low_rank_b", halves({1, 2, 3}), {1, 3})});
        });
        row("a rank above the rows", "rank 1 to 2", [](Small& s) {
            add(s, {array("low_rank_a", halves({1, 2, 3, 4, 5, 6}), {2, 3}),
                    array("low_rank_b", halves({1, 2, 3, 4, 5, 6, 7, 8, 9}), {3, 3})});
        });
        row("no signs", "rotation_signs", [](Small& s) {
            add(s, {array("rotation_scale", halves({1, 1, 1}))});
        });
        row("no Q", "rotation_q", [](Small& s) { add(s, {signs({1, -1, 1})}); });
        row("a sign of 0", "must be 1 or -1", [](Small& s) {
            add(s, {signs({1, 0, 1}), array<double>("rotation_q", {1, 0, 0, 0, 1, 0, 0, 0, 1}, {3, 3})});
        });
        row("a Q that is not finite", "not finite", [](Small& s) {
            add(s,
                {signs({1, 1, 1}), array<double>("rotation_q", {1, 0, 0, 0, INFINITY, 0, 0, 0, 1}, {3, 3})});
        });
        row("a scale of 0", "must be above 0", [](Small& s) {
            add(s, {signs({1, 1, 1}), array<double>("rotation_q", {1, 0, 0, 0, 1, 0, 0, 0, 1}, {3, 3}),
                    array("rotation_scale", halves({1, 0, 1}))});
        });
        row("no table", "table", [](Small& s) { s.values = kTableValues; });
        row("a table of other groups", "table", [](Small& s) {
            s.values = kTableValues;
            add(s, {array<float>("table", {1, 2, 3}, {1, 1, 3})});
        });
        row("a code beyond its table", "code 2 of 2 levels", [](Small& s) {
            s.values = kTableValues;
            add(s, {array<float>("table", {1, 2, 3, 4}, {2, 1, 2})});
        });
    }
    void brokenExtras() { check(); }

private:
    static void check() {
        QFETCH(Small, small);
        QFETCH(QString, says);
        const std::string problem = problemOf(small);
        QVERIFY2(problem.find(says.toStdString()) != std::string::npos, problem.c_str());
    }
};

QS_TEST(ExportedHdf5)
#include "tst_exported_hdf5.moc"

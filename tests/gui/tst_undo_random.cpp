// SPDX-License-Identifier: GPL-3.0-or-later
// 10,000 random edits, drags, undos and redos of the recipe against a model of the state that is nothing but
// a list of its past values.
#include "app/session/SchemeTable.h"
#include "tests/support/qs_test.h"

#include <deque>
#include <random>

using namespace qs;
using namespace qs::app;
using qs::ui::EditField;

namespace {

constexpr int kSteps = 10000;
constexpr size_t kUndoLimit = 500; ///< of the program

/// What the user chose for a tensor.
struct Cell {
    bool kept = false;
    int bits = 0;
    qint64 group = 0;
    QString method;
    bool operator==(const Cell&) const = default;
};
using State = std::vector<Cell>;

Cell cellOf(const ui::TargetRow& row) {
    if (!row.hasScheme()) return {true, 0, 0, {}};
    return {false, row.info->bits, row.info->group, QString::fromStdString(row.info->scheme->method)};
}

/// The past, the present and what was undone.
class History {
public:
    explicit History(State start) : m_now(std::move(start)) {}
    const State& now() const { return m_now; }
    void push(State next) {
        if (next == m_now) return;
        m_past.push_back(std::exchange(m_now, std::move(next)));
        if (m_past.size() > kUndoLimit) m_past.pop_front();
        m_undone.clear();
    }
    void undo() {
        if (m_past.empty()) return;
        m_undone.push_back(std::exchange(m_now, m_past.back()));
        m_past.pop_back();
    }
    void redo() {
        if (m_undone.empty()) return;
        m_past.push_back(std::exchange(m_now, m_undone.back()));
        m_undone.pop_back();
    }
    /// A drag that ends where it began leaves no step, but what could be redone is gone.
    void forgetUndone() { m_undone.clear(); }
    size_t past() const { return m_past.size(); }
    size_t undone() const { return m_undone.size(); }

private:
    State m_now;
    std::deque<State> m_past, m_undone;
};

class Driver {
public:
    explicit Driver(SchemeTable& table)
        : m_table(table), m_history(stateOf(table)), m_default(cellOf(defaultRow())) {}

    void step() {
        const unsigned what = m_rng() % 100;
        if (what < 22)
            undo();
        else if (what < 37)
            redo();
        else if (what < 92)
            edit();
        else
            drag();
    }
    const History& history() const { return m_history; }

    static State stateOf(const SchemeTable& table) {
        State out;
        for (int t = 0; t < table.count(); ++t)
            out.push_back(cellOf(table.row(t)));
        return out;
    }

private:
    struct Change {
        ui::SchemeEdit edit;
        std::function<void(Cell&)> predict;
    };
    /// A row that is quantized as the table does by default.
    const ui::TargetRow& defaultRow() const { return m_table.row(0); }

    void undo() {
        m_table.undoStack()->undo();
        m_history.undo();
    }
    void redo() {
        m_table.undoStack()->redo();
        m_history.redo();
    }
    QVector<int> someTargets() {
        QVector<int> out;
        const unsigned share = 1 + m_rng() % 12;
        for (int t = 0; t < m_table.count(); ++t)
            if (m_rng() % share == 0) out << t;
        return out;
    }
    /// A kept tensor starts from the default scheme when it is edited.
    void wake(Cell& c) const {
        if (c.kept) c = m_default;
    }
    Change change(unsigned kind) {
        const int bits = int(2 + m_rng() % 7);
        const qint64 group = std::array<qint64, 5>{32, 64, 128, -1, 0}[m_rng() % 5];
        const auto& all = methods();
        const QString method = QString::fromStdString(all[m_rng() % all.size()]->id);
        switch (kind) {
        case 0:
            return {m_table.editFor(EditField::Bits, bits), [this, bits](Cell& c) {
                        wake(c);
                        c.bits = bits;
                    }};
        case 1:
            return {m_table.editFor(EditField::Group, group), [this, group](Cell& c) {
                        wake(c);
                        c.group = group;
                    }};
        case 2:
            return {m_table.editFor(EditField::Method, method), [this, method](Cell& c) {
                        wake(c);
                        c.method = method;
                    }};
        default:
            return {m_table.editFor(EditField::Bits, 0), [](Cell& c) { c = {true, 0, 0, {}}; }};
        }
    }
    static State predicted(State state, const QVector<int>& targets, const Change& change) {
        for (const int t : targets)
            change.predict(state[size_t(t)]);
        return state;
    }
    void edit() {
        const QVector<int> targets = someTargets();
        const Change c = change(m_rng() % 4);
        QCOMPARE(m_table.edit(targets, c.edit), QString());
        m_history.push(predicted(m_history.now(), targets, c));
    }
    /// A slider under the mouse: many values, one step.
    void drag() {
        const QVector<int> targets = someTargets();
        const int id = ++m_drag;
        const State before = m_history.now();
        State now = before;
        bool moved = false;
        for (unsigned i = 0, n = 1 + m_rng() % 6; i < n; ++i) {
            const Change c = change(0);
            QCOMPARE(m_table.edit(targets, c.edit, id), QString());
            const State next = predicted(now, targets, c);
            moved |= next != now;
            now = next;
        }
        if (now == before && moved) m_history.forgetUndone();
        m_history.push(now);
    }

    SchemeTable& m_table;
    History m_history;
    Cell m_default;
    std::mt19937 m_rng{20240229};
    int m_drag = 0;
};

} // namespace

class UndoRandom : public QObject {
    Q_OBJECT
private slots:
    void endsAsTheModelPredicts() {
        const auto model = qs::openModel(test::sampleModel());
        QS_VERIFY_OK(model);
        SchemeTable table;
        table.setModel(*model);
        const State start = Driver::stateOf(table);
        Driver driver(table);
        for (int step = 0; step < kSteps; ++step) {
            driver.step();
            QVERIFY2(Driver::stateOf(table) == driver.history().now(), qPrintable(QString::number(step)));
            QCOMPARE(table.undoStack()->canUndo(), driver.history().past() > 0);
            QCOMPARE(table.undoStack()->canRedo(), driver.history().undone() > 0);
            if (step % 500 == 0) checkPlan(table, **model);
            if (QTest::currentTestFailed()) return;
        }
        checkPlan(table, **model);
        // Rows say what differs from the start.
        for (int t = 0; t < table.count(); ++t)
            QCOMPARE(table.row(t).edited, driver.history().now()[size_t(t)] != start[size_t(t)]);
    }

private:
    /// The plan that grew over all the steps is the one made from nothing, byte for byte.
    static void checkPlan(const SchemeTable& table, const Model& model) {
        std::vector<std::optional<Scheme>> schemes;
        for (const auto& s : table.schemes())
            schemes.push_back(s ? std::optional<Scheme>(*s) : std::nullopt);
        const Plan wanted = planFromSchemes(schemes, model, table.seed());
        QCOMPARE(table.summary().totalBytesAfter, wanted.totalBytesAfter);
        QCOMPARE(table.plan().fingerprint(), wanted.fingerprint());
        QCOMPARE(table.issues().size(), wanted.issues.size());
        for (int t = 0; t < table.count(); ++t)
            QCOMPARE(table.row(t).bytesAfter, wanted.entries[size_t(t)].bytesAfter);
    }
};

QS_TEST(UndoRandom)
#include "tst_undo_random.moc"

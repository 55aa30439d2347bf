// SPDX-License-Identifier: GPL-3.0-or-later
// Forms made from parameter descriptions: every registered codec and method, both ways.
#include "tests/gui/FakeSource.h"
#include "tests/support/qs_test.h"
#include "widgets/editors/ChoiceDelegate.h"
#include "widgets/editors/ParamEditors.h"
#include "widgets/editors/ParamForm.h"
#include "widgets/editors/SchemeEditor.h"
#include "widgets/models/TensorTableModel.h"

#include <QCheckBox>
#include <QComboBox>
#include <QSignalSpy>
#include <QTableView>
#include <QWheelEvent>

using namespace qs;
using namespace qs::ui;

namespace {

/// A legal value that is not the default.
ParamValue otherValue(const ParamSpec& s) {
    switch (s.type) {
    case ParamType::Bool:
        return !std::get<bool>(s.defaultValue);
    case ParamType::Int: {
        const auto def = std::get<long long>(s.defaultValue);
        return def + 1 <= (long long)(s.maximum) ? def + 1 : def - 1;
    }
    case ParamType::Float: {
        const double def = std::get<double>(s.defaultValue);
        const double up = def + (s.maximum - def) / 4;
        // What twelve decimals can name.
        return std::round((up != def ? up : (s.minimum + def) / 2) * 1e6) / 1e6;
    }
    case ParamType::Choice:
        for (const std::string& c : s.choices)
            if (c != std::get<std::string>(s.defaultValue)) return c;
        break;
    }
    return s.defaultValue;
}

/// What the control shows, as a value.
ParamValue shown(QWidget* editor) {
    if (auto* box = qobject_cast<QCheckBox*>(editor)) return box->isChecked();
    if (auto* i = qobject_cast<IntEdit*>(editor)) return (long long)(i->value());
    if (auto* f = qobject_cast<FloatEdit*>(editor)) return f->value();
    return qobject_cast<QComboBox*>(editor)->currentData().toString().toStdString();
}

/// As a user would: through the control's own slots.
void enter(QWidget* editor, const ParamValue& value) {
    if (auto* box = qobject_cast<QCheckBox*>(editor)) {
        box->click();
    } else if (auto* i = qobject_cast<IntEdit*>(editor)) {
        i->setValue(int(std::get<long long>(value)));
    } else if (auto* f = qobject_cast<FloatEdit*>(editor)) {
        f->setValue(std::get<double>(value));
    } else {
        auto* combo = qobject_cast<QComboBox*>(editor);
        combo->setCurrentIndex(combo->findData(QString::fromStdString(std::get<std::string>(value))));
        emit combo->activated(combo->currentIndex());
    }
}

ParamSpecs exampleSpecs() {
    ParamSpecs specs{ParamSpec::boolean("search", "Search", false, "Searches the range."),
                     ParamSpec::integer("steps", "Steps", 20, 1, 100, "How many.", "steps"),
                     ParamSpec::real("damping", "Damping", 0.01, 1e-6, 10, "Fraction of the mean."),
                     ParamSpec::choice("range", "Range", "min_max", {"min_max", "mse"}, "Rule."),
                     ParamSpec::integer("block", "Block", 128, 8, 4096, "Columns.").asAdvanced()};
    specs[1].visibleWhen = "search=true";
    return specs;
}

std::shared_ptr<const Scheme> scheme(const std::string& method, long long bits) {
    auto s = Scheme::make("int", method);
    s->codecParams = *withParam((*findCodec("int"))->params, s->codecParams, "bits", bits);
    return std::make_shared<const Scheme>(*s);
}

} // namespace

class TstEditors : public QObject {
    Q_OBJECT

private slots:
    void everyRegisteredForm_data() {
        QTest::addColumn<int>("kind");
        QTest::addColumn<int>("index");
        for (size_t i = 0; i < codecs().size(); ++i)
            QTest::addRow("codec %s", codecs()[i]->id.c_str()) << 0 << int(i);
        for (size_t i = 0; i < methods().size(); ++i)
            QTest::addRow("method %s", methods()[i]->id.c_str()) << 1 << int(i);
    }

    void everyRegisteredForm() {
        QFETCH(int, kind);
        QFETCH(int, index);
        const ParamSpecs& specs =
            kind == 0 ? codecs()[size_t(index)]->params : methods()[size_t(index)]->params;
        ParamForm form;
        form.setSpecs(specs);
        form.setAdvancedShown(true);
        QCOMPARE(form.params(), Params::defaults(specs));
        Params wanted = Params::defaults(specs);
        for (const ParamSpec& s : specs) {
            const QString key = QString::fromStdString(s.key);
            QWidget* editor = form.editor(key);
            QVERIFY2(editor, s.key.c_str());
            QVERIFY(shown(editor) == s.defaultValue);
            QVERIFY(!editor->accessibleName().isEmpty());
            QVERIFY(editor->toolTip().contains(QString::fromStdString(s.help)));
            QVERIFY(editor->toolTip().contains(paramText(s.defaultValue)));
            QSignalSpy edited(&form, &ParamForm::edited), values(&form, &ParamForm::valueChanged);
            const ParamValue other = otherValue(s);
            QVERIFY(other != s.defaultValue || s.choices.size() == 1);
            enter(editor, other);
            if (other == s.defaultValue) continue;
            QCOMPARE(edited.size(), 1);
            QCOMPARE(values.size(), 1);
            QCOMPARE(edited.at(0).at(0).toString(), key);
            QVERIFY(edited.at(0).at(1).value<ParamValue>() == other);
            QVERIFY(form.params().values().at(s.key) == other);
            const auto next = withParam(specs, wanted, s.key, other); // legal by the registry's own check
            QS_VERIFY_OK(next);
            wanted = *next;
        }
        QCOMPARE(form.params(), wanted);

        ParamForm second; // the other direction
        second.setSpecs(specs);
        QSignalSpy quiet(&second, &ParamForm::edited);
        second.setParams(wanted);
        for (const ParamSpec& s : specs)
            QVERIFY2(shown(second.editor(QString::fromStdString(s.key))) == wanted.values().at(s.key),
                     s.key.c_str());
        QCOMPARE(quiet.size(), 0);
        second.resetToDefaults();
        QCOMPARE(second.params(), Params::defaults(specs));
    }

    void rowsAppearWhenTheyApply() {
        ParamForm form;
        form.setSpecs(exampleSpecs());
        QVERIFY(!form.rowShown("steps"));
        QVERIFY(form.editor("steps")->isHidden());
        enter(form.editor("search"), true);
        QVERIFY(form.rowShown("steps"));
        QVERIFY(!form.editor("steps")->isHidden());
        enter(form.editor("steps"), 30LL);
        enter(form.editor("search"), false);
        QVERIFY(form.editor("steps")->isHidden());
        QCOMPARE(form.params().integer("steps"), 30LL); // hidden, not lost
    }

    void advancedIsFolded() {
        ParamForm form;
        form.setSpecs(exampleSpecs());
        QVERIFY(form.hasAdvanced());
        QVERIFY(!form.rowShown("block"));
        form.setAdvancedShown(true);
        QVERIFY(form.rowShown("block"));
        form.setSpecs({ParamSpec::boolean("a", "A", false, "x")});
        QVERIFY(!form.hasAdvanced());
        QVERIFY(!form.editor("block"));
    }

    void mixedUntilChanged() {
        ParamForm form;
        form.setSpecs(exampleSpecs());
        form.setParams(Params::defaults(exampleSpecs()), {"search", "damping", "range", "steps"});
        QVERIFY(form.isMixed("damping"));
        auto* damping = qobject_cast<FloatEdit*>(form.editor("damping"));
        auto* steps = qobject_cast<IntEdit*>(form.editor("steps"));
        QCOMPARE(damping->text(), QString("mixed"));
        QCOMPARE(steps->text(), QString("mixed"));
        QCOMPARE(qobject_cast<QCheckBox*>(form.editor("search"))->checkState(), Qt::PartiallyChecked);
        QCOMPARE(qobject_cast<QComboBox*>(form.editor("range"))->currentIndex(), -1);
        QVERIFY(form.rowShown("steps")); // what it depends on is mixed: do not hide it
        QSignalSpy edited(&form, &ParamForm::edited);
        damping->setValue(0.02);
        QVERIFY(!form.isMixed("damping"));
        QCOMPARE(form.params().real("damping"), 0.02);
        steps->stepBy(1); // the first step lands on a legal value
        QCOMPARE(form.params().integer("steps"), 1LL);
        QCOMPARE(steps->minimum(), 1);
        enter(form.editor("search"), true);
        QVERIFY(!form.isMixed("search"));
        QCOMPARE(edited.size(), 3);
        QVERIFY(form.isMixed("range"));
    }

    void smallNumbersKeepTheirDigits() {
        FloatEdit edit(ParamSpec::real("d", "D", 0.01, 1e-6, 10, ""), nullptr);
        edit.setLocale(QLocale::c());
        QCOMPARE(edit.textFromValue(0.01), QString("0.01"));
        QCOMPARE(edit.textFromValue(1e-6), QString("0.000001"));
        QCOMPARE(edit.textFromValue(10), QString("10"));
        edit.showValue(1e-6);
        QCOMPARE(edit.value(), 1e-6);
    }

    void groupsStepByPowersOfTwo() {
        IntEdit edit(ParamSpec::integer("group", "Group", 128, -1, 1 << 20, ""), nullptr);
        const auto path = [&](int steps, int count) {
            QVector<int> v;
            for (int i = 0; i < count; ++i) {
                edit.stepBy(steps);
                v << edit.value();
            }
            return v;
        };
        QCOMPARE(path(1, 2), (QVector<int>{256, 512}));
        QCOMPARE(path(-1, 9), (QVector<int>{256, 128, 64, 32, 16, 8, 0, -1, -1}));
        QCOMPARE(path(1, 3), (QVector<int>{0, 8, 16}));
        edit.setValue(100);
        QCOMPARE(path(1, 1), QVector<int>{128});
        edit.setValue(100);
        QCOMPARE(path(-1, 1), QVector<int>{64});
        IntEdit bits(ParamSpec::integer("bits", "Bits", 4, 2, 8, ""), nullptr);
        bits.stepBy(1);
        QCOMPARE(bits.value(), 5);
    }

    void wheelNeedsFocus() {
        ParamForm form;
        form.setSpecs(exampleSpecs());
        auto* edit = qobject_cast<FloatEdit*>(form.editor("damping"));
        QWheelEvent wheel({5, 5}, edit->mapToGlobal(QPointF(5, 5)), {}, {0, 120}, Qt::NoButton,
                          Qt::NoModifier, Qt::NoScrollPhase, false);
        QCoreApplication::sendEvent(edit, &wheel);
        QCOMPARE(form.params().real("damping"), 0.01);
    }

    void schemeEditorShowsOneAndMany() {
        SchemeEditor editor;
        QVERIFY(!editor.isEnabled());
        QSignalSpy edited(&editor, &SchemeEditor::edited);
        editor.setSchemes({scheme("gptq", 4)});
        QVERIFY(editor.isEnabled());
        QCOMPARE(editor.codecBox()->currentData().toString(), QString("int"));
        QCOMPARE(editor.methodBox()->currentData().toString(), QString("gptq"));
        QVERIFY(editor.codecForm()->params() == scheme("gptq", 4)->codecParams);
        QVERIFY(editor.note().contains("GPTQ"));
        editor.setCalibrated(true);
        QCOMPARE(editor.note(), QString());
        editor.setSchemes({scheme("gptq", 4), scheme("gptq", 3)});
        QVERIFY(editor.codecForm()->isMixed("bits"));
        QVERIFY(!editor.codecForm()->isMixed("group"));
        editor.setSchemes({scheme("gptq", 4), scheme("rtn", 4)});
        QCOMPARE(editor.methodBox()->currentIndex(), -1);
        QVERIFY(editor.methodForm()->isHidden());
        QVERIFY(!editor.codecForm()->isHidden());
        editor.setSchemes({scheme("gptq", 4), nullptr});
        QCOMPARE(editor.codecBox()->currentIndex(), -1);
        QVERIFY(editor.codecForm()->isHidden());
        editor.setSchemes({nullptr, nullptr});
        QCOMPARE(editor.codecBox()->currentIndex(), 0); // "keep"
        QVERIFY(editor.methodBox()->isHidden());
        QCOMPARE(edited.size(), 0);
    }

    void schemeEditorTellsWhatChanged() {
        SchemeEditor editor;
        editor.setSchemes({scheme("gptq", 4)});
        QVector<SchemeEdit> edits;
        connect(&editor, &SchemeEditor::edited, this, [&](const SchemeEdit& e) { edits << e; });
        enter(editor.codecForm()->editor("bits"), 3LL);
        enter(editor.methodForm()->editor("damping"), 0.05);
        editor.methodBox()->setCurrentIndex(editor.methodBox()->findData("rtn"));
        emit editor.methodBox()->activated(editor.methodBox()->currentIndex());
        emit editor.codecBox()->activated(0);
        QCOMPARE(edits.size(), 4);
        QCOMPARE(edits[0].kind, SchemeEdit::Kind::CodecParam);
        QCOMPARE(edits[0].key, std::string("bits"));
        QCOMPARE(edits[1].kind, SchemeEdit::Kind::MethodParam);
        QCOMPARE(edits[2].kind, SchemeEdit::Kind::Method);
        QCOMPARE(edits[2].key, std::string("rtn"));
        QCOMPARE(edits[3].kind, SchemeEdit::Kind::Keep);
    }

    void schemeEditorRoundsInputs() {
        SchemeEditor editor;
        QVector<SchemeEdit> edits;
        connect(&editor, &SchemeEditor::edited, this, [&](const SchemeEdit& e) { edits << e; });
        const auto rounded = [](const std::string& preset) {
            auto s = applyEdit(nullptr, SchemeEdit::inputs(preset), *scheme("rtn", 8));
            return std::make_shared<const Scheme>(**s);
        };
        QComboBox* box = editor.inputsBox();
        editor.setSchemes({scheme("rtn", 8)});
        QCOMPARE(box->currentText(), QStringLiteral("As they are"));
        QCOMPARE(box->count(), 1 + int(InputScheme::presets().size()));
        editor.setSchemes({rounded("fp8"), rounded("fp8")});
        QCOMPARE(box->currentText(), QStringLiteral("fp8"));
        editor.setSchemes({rounded("fp8"), scheme("rtn", 8)});
        QCOMPARE(box->currentIndex(), -1); // "mixed"
        editor.setSchemes({nullptr});
        QVERIFY(box->isHidden());
        // What a recipe says and no preset does is shown, but is no choice.
        auto own = *rounded("int8");
        own.inputs->codecParams =
            *withParam((*findCodec("int"))->params, own.inputs->codecParams, "bits", 6LL);
        editor.setSchemes({std::make_shared<const Scheme>(own)});
        QCOMPARE(box->currentText(), QString::fromStdString(own.inputs->label()));
        QVERIFY(!(box->model()->flags(box->model()->index(box->currentIndex(), 0)) & Qt::ItemIsEnabled));
        editor.setSchemes({rounded("int8")});
        QCOMPARE(box->count(), 1 + int(InputScheme::presets().size()));
        QCOMPARE(edits.size(), 0);
        box->setCurrentIndex(box->findData(QStringLiteral("mxfp8")));
        emit box->activated(box->currentIndex());
        emit box->activated(0);
        QCOMPARE(edits.size(), 2);
        QCOMPARE(edits[0].kind, SchemeEdit::Kind::Inputs);
        QCOMPARE(edits[0].key, std::string("mxfp8"));
        QCOMPARE(edits[1].key, std::string());
        // The rest of the scheme stays, and another format or method leaves the inputs alone.
        const auto base = rounded("int8");
        const auto other = applyEdit(base.get(), SchemeEdit::method("gptq"), *base);
        QS_VERIFY_OK(other);
        QVERIFY((*other)->inputs == base->inputs);
        const auto plain = applyEdit(base.get(), SchemeEdit::inputs(""), *base);
        QVERIFY(!(*plain)->inputs && (*plain)->codecParams == base->codecParams);
        QVERIFY(!applyEdit(base.get(), SchemeEdit::inputs("nonsense"), *base));
    }

    // Outputs have the formats that need no search, and are one edit beside the inputs.
    void outputs() {
        SchemeEditor editor;
        QComboBox* box = editor.outputsBox();
        std::vector<SchemeEdit> edits;
        connect(&editor, &SchemeEditor::edited, this, [&](const SchemeEdit& e) { edits.push_back(e); });
        auto rounded = *scheme("rtn", 8);
        rounded.outputs = *InputScheme::preset("fp8");
        editor.setSchemes({std::make_shared<const Scheme>(rounded)});
        QCOMPARE(box->currentText(), QStringLiteral("fp8"));
        QCOMPARE(editor.inputsBox()->currentText(), QStringLiteral("As they are"));
        QCOMPARE(box->count(), 1 + int(InputScheme::outputPresets().size()));
        QCOMPARE(box->findData(QStringLiteral("int8_kl")), -1); // searched
        editor.setSchemes({std::make_shared<const Scheme>(rounded), scheme("rtn", 8)});
        QCOMPARE(box->currentIndex(), -1); // "mixed"
        editor.setSchemes({nullptr});
        QVERIFY(box->isHidden());
        QCOMPARE(edits.size(), size_t(0));
        editor.setSchemes({scheme("rtn", 8)});
        box->setCurrentIndex(box->findData(QStringLiteral("int8")));
        emit box->activated(box->currentIndex());
        QCOMPARE(edits.size(), size_t(1));
        const auto after = applyEdit(&rounded, edits[0], rounded);
        QS_VERIFY_OK(after);
        QVERIFY((*after)->outputs == *InputScheme::preset("int8") && !(*after)->inputs);
        QVERIFY(!(*applyEdit(&rounded, SchemeEdit::outputs(""), rounded))->outputs);
        QVERIFY(!applyEdit(&rounded, SchemeEdit::outputs("int8_kl"), rounded));
        QVERIFY((*applyEdit(&rounded, SchemeEdit::inputs("int8"), rounded))->outputs == rounded.outputs);
    }

    void editsKeepTheRest() {
        const auto base = scheme("gptq", 4);
        const auto three = applyEdit(base.get(), SchemeEdit::codecParam("bits", 3LL), *base);
        QS_VERIFY_OK(three);
        QCOMPARE((*three)->codecParams.integer("bits"), 3LL);
        QCOMPARE((*three)->codecParams.integer("group"), base->codecParams.integer("group"));
        QCOMPARE((*three)->method, std::string("gptq"));
        // Both methods have a "range": it goes along.
        const auto mse = applyEdit(
            base.get(),
            SchemeEdit::methodParam(
                "range", otherValue(*std::find_if((*findMethod("gptq"))->params.begin(),
                                                  (*findMethod("gptq"))->params.end(),
                                                  [](const ParamSpec& s) { return s.key == "range"; }))),
            *base);
        QS_VERIFY_OK(mse);
        const auto rtn = applyEdit(&**mse, SchemeEdit::method("rtn"), *base);
        QS_VERIFY_OK(rtn);
        QCOMPARE((*rtn)->methodParams.choice("range"), (*mse)->methodParams.choice("range"));
        QVERIFY(!(*rtn)->methodParams.has("damping"));
        const auto kept = applyEdit(base.get(), SchemeEdit::keep(), *base);
        QVERIFY(kept && !*kept);
        const auto fresh = applyEdit(nullptr, SchemeEdit::codecParam("bits", 8LL), *base);
        QCOMPARE((*fresh)->codecParams.integer("bits"), 8LL);
        QVERIFY(!applyEdit(base.get(), SchemeEdit::codecParam("bits", 99LL), *base));
        QVERIFY(!applyEdit(base.get(), SchemeEdit::codecParam("nonsense", 1LL), *base));
        QVERIFY(!applyEdit(base.get(), SchemeEdit::method("nonsense"), *base));
    }

    void cellsAreEditedInPlace() {
        test::FakeSource source;
        source.fill(1);
        TensorTableModel model;
        model.setSource(&source);
        QTableView view;
        view.setModel(&model);
        BitsDelegate bits(nullptr, TensorTableModel::ValueRole);
        ChoiceDelegate choice;
        view.setItemDelegateForColumn(TensorTableModel::Bits, &bits);
        view.setItemDelegateForColumn(TensorTableModel::Method, &choice);
        view.show();
        const QModelIndex cell = model.index(0, TensorTableModel::Bits); // 8 bits
        view.setCurrentIndex(cell);
        view.edit(cell);
        auto* box = view.viewport()->findChild<QComboBox*>();
        QVERIFY(box);
        QCOMPARE(box->count(), 2);
        QCOMPARE(box->currentData().toInt(), 8);
        box->setCurrentIndex(0);
        emit box->activated(0);
        QCOMPARE(source.edits.size(), size_t(1));
        QCOMPARE(std::get<long long>(source.edits[0].edit.value), 4LL);
        const QModelIndex method = model.index(0, TensorTableModel::Method);
        QCOMPARE(method.data(TensorTableModel::ChoiceValuesRole).toList().size(), 2);
    }
};

QS_TEST(TstEditors)
#include "tst_editors.moc"

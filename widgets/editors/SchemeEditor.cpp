// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/editors/SchemeEditor.h"

#include "widgets/editors/ParamForm.h"

#include <QComboBox>
#include <QGridLayout>
#include <QLabel>
#include <algorithm>
#include <optional>

namespace qs::ui {

namespace {

QString qstr(const std::string& s) {
    return QString::fromStdString(s);
}

/// Label, summary and citation of every entry; the id is the item's data.
template<class Descriptors>
void fill(QComboBox* box, const Descriptors& descriptors) {
    for (const auto* d : descriptors) {
        box->addItem(qstr(d->label), qstr(d->id));
        QString tip = qstr(d->summary);
        if (!d->citation.empty()) tip += QLatin1Char('\n') + qstr(d->citation);
        box->setItemData(box->count() - 1, tip, Qt::ToolTipRole);
    }
}

/// The one value that all schemes have; none when they differ or a tensor is kept.
template<class T>
std::optional<T> common(const std::vector<SchemeEditor::SchemePtr>& schemes, T Scheme::*member) {
    if (schemes.empty() || !schemes.front()) return {};
    const T& first = (*schemes.front()).*member;
    const bool same = std::all_of(schemes.begin(), schemes.end(),
                                  [&](const auto& s) { return s && (*s).*member == first; });
    return same ? std::optional<T>(first) : std::nullopt;
}

/// "As they are", then the presets, with their ids as data.
void fillRounding(QComboBox* box, const std::vector<std::string>& names) {
    box->addItem(SchemeEditor::tr("As they are"), QString());
    for (const std::string& name : names) {
        box->addItem(qstr(name), qstr(name));
        const auto preset = InputScheme::preset(name);
        if (!preset) continue;
        if (const auto codec = createCodec(preset->codec, preset->codecParams))
            box->setItemData(box->count() - 1, qstr((*codec)->label()), Qt::ToolTipRole);
    }
}

} // namespace

SchemeEditor::SchemeEditor(QWidget* parent)
    : QWidget(parent)
    , m_codec(new QComboBox(this))
    , m_method(new QComboBox(this))
    , m_methodLabel(new QLabel(tr("Method"), this))
    , m_inputsLabel(new QLabel(tr("Inputs"), this))
    , m_outputsLabel(new QLabel(tr("Outputs"), this))
    , m_note(new QLabel(this))
    , m_codecForm(new ParamForm(this))
    , m_methodForm(new ParamForm(this))
    , m_grid(new QGridLayout(this)) {
    m_grid->setContentsMargins(0, 0, 0, 0);
    m_grid->setHorizontalSpacing(8);
    m_grid->setVerticalSpacing(6);
    m_grid->setColumnStretch(1, 1);
    m_grid->setColumnMinimumWidth(2, ParamForm::kResetWidth);
    auto* codecLabel = new QLabel(tr("Format"), this);
    codecLabel->setBuddy(m_codec);
    m_methodLabel->setBuddy(m_method);
    m_grid->addWidget(codecLabel, 0, 0);
    m_grid->addWidget(m_codec, 0, 1);
    m_grid->addWidget(m_codecForm, 1, 0, 1, 3);
    m_grid->addWidget(m_methodLabel, 2, 0);
    m_grid->addWidget(m_method, 2, 1);
    m_grid->addWidget(m_methodForm, 3, 0, 1, 3);
    m_inputs = addRounding(4, m_inputsLabel, InputScheme::presets(), &SchemeEdit::inputs);
    m_outputs = addRounding(5, m_outputsLabel, InputScheme::outputPresets(), &SchemeEdit::outputs);
    m_grid->addWidget(m_note, 6, 0, 1, 3);
    m_note->setWordWrap(true);
    for (QComboBox* box : {m_codec, m_method, m_inputs, m_outputs}) {
        box->setPlaceholderText(tr("mixed"));
        setNarrow(box);
    }
    m_codec->setAccessibleName(tr("Format"));
    m_method->setAccessibleName(tr("Method"));
    m_inputs->setObjectName(QStringLiteral("inputs"));
    for (QWidget* w : {static_cast<QWidget*>(m_inputs), static_cast<QWidget*>(m_inputsLabel)})
        w->setToolTip(tr("What the layer's inputs are rounded to while the model runs, each token by itself "
                         "with a scale of its own. For runtimes that multiply in few bits (W8A8, FP8)."));
    m_outputs->setObjectName(QStringLiteral("outputs"));
    for (QWidget* w : {static_cast<QWidget*>(m_outputs), static_cast<QWidget*>(m_outputsLabel)})
        w->setToolTip(
            tr("What the layer's outputs are rounded to before anything else reads them, each token "
               "by itself. No runtime's files say so: it shows what such hardware would lose."));
    m_codec->addItem(tr("Keep in the source format"), QString());
    fill(m_codec, codecs());
    fill(m_method, methods());
    connect(m_codec, &QComboBox::activated, this, [this](int i) {
        const QString id = m_codec->itemData(i).toString();
        emit edited(id.isEmpty() ? SchemeEdit::keep() : SchemeEdit::codec(id.toStdString()));
    });
    connect(m_method, &QComboBox::activated, this, [this](int i) {
        emit edited(SchemeEdit::method(m_method->itemData(i).toString().toStdString()));
    });
    connect(m_codecForm, &ParamForm::edited, this, [this](const QString& key, const ParamValue& v) {
        emit edited(SchemeEdit::codecParam(key.toStdString(), v));
    });
    connect(m_methodForm, &ParamForm::edited, this, [this](const QString& key, const ParamValue& v) {
        emit edited(SchemeEdit::methodParam(key.toStdString(), v));
    });
    setSchemes({});
}

void SchemeEditor::setSchemes(const std::vector<SchemePtr>& schemes) {
    m_schemes = schemes;
    setEnabled(!schemes.empty());
    const bool allKept = std::none_of(schemes.begin(), schemes.end(), [](const auto& s) { return bool(s); });
    const std::string codec = common(schemes, &Scheme::codec).value_or(std::string()),
                      method = common(schemes, &Scheme::method).value_or(std::string());
    // -1 shows "mixed"; the first item is "keep".
    m_codec->setCurrentIndex(allKept         ? (schemes.empty() ? -1 : 0)
                             : codec.empty() ? -1
                                             : m_codec->findData(qstr(codec)));
    m_method->setCurrentIndex(method.empty() ? -1 : m_method->findData(qstr(method)));
    m_method->setVisible(!allKept);
    m_methodLabel->setVisible(!allKept);
    const auto codecEntry = findCodec(codec);
    const auto methodEntry = findMethod(method);
    showForm(m_codecForm, codecEntry ? &(*codecEntry)->params : nullptr, &Scheme::codecParams);
    showForm(m_methodForm, methodEntry ? &(*methodEntry)->params : nullptr, &Scheme::methodParams);
    showRounding(m_inputs, &Scheme::inputs, InputScheme::presets().size());
    showRounding(m_outputs, &Scheme::outputs, InputScheme::outputPresets().size());
    for (QWidget* w : std::initializer_list<QWidget*>{m_inputs, m_inputsLabel, m_outputs, m_outputsLabel})
        w->setVisible(!allKept);
    alignColumns();
    showNote();
}

void SchemeEditor::showForm(ParamForm* form, const ParamSpecs* specs, Params Scheme::*params) {
    form->setVisible(specs != nullptr);
    if (!specs) return;
    const auto sameKeys = [](const ParamSpecs& a, const ParamSpecs& b) {
        return a.size() == b.size() &&
               std::equal(a.begin(), a.end(), b.begin(),
                          [](const auto& x, const auto& y) { return x.key == y.key; });
    };
    // Rebuilding while the user steps through a spin box would take it away under the pointer.
    if (!sameKeys(form->specs(), *specs)) form->setSpecs(*specs);
    QSet<QString> mixed;
    const auto& first = ((*m_schemes.front()).*params).values();
    for (const auto& [key, value] : first)
        for (const SchemePtr& s : m_schemes)
            if (((*s).*params).values().at(key) != value) {
                mixed.insert(qstr(key));
                break;
            }
    form->setParams((*m_schemes.front()).*params, mixed);
}

QComboBox* SchemeEditor::addRounding(int row, QLabel* label, const std::vector<std::string>& names,
                                     SchemeEdit (*edit)(std::string)) {
    auto* box = new QComboBox(this);
    label->setBuddy(box);
    box->setAccessibleName(label->text());
    fillRounding(box, names);
    m_grid->addWidget(label, row, 0);
    m_grid->addWidget(box, row, 1);
    connect(box, &QComboBox::activated, this,
            [this, box, edit](int i) { emit edited(edit(box->itemData(i).toString().toStdString())); });
    return box;
}

void SchemeEditor::showRounding(QComboBox* box, std::optional<InputScheme> Scheme::*format, size_t presets) {
    const int known = int(presets) + 1;
    while (box->count() > known)
        box->removeItem(known);
    const auto shown = common(m_schemes, format);
    if (!shown) return box->setCurrentIndex(-1); // "mixed"
    const QString label = *shown ? qstr((*shown)->label()) : QString();
    int at = box->findData(label);
    if (at < 0) { // of a recipe: shown, and no choice
        at = box->count();
        box->addItem(label, label);
        box->setItemData(at, 0, Qt::UserRole - 1);
    }
    box->setCurrentIndex(at);
}

void SchemeEditor::alignColumns() {
    int width = 0;
    for (const QLabel* label : {m_methodLabel, m_inputsLabel, m_outputsLabel})
        width = std::max(width, label->sizeHint().width());
    for (const ParamForm* form : {m_codecForm, m_methodForm})
        if (!form->isHidden()) width = std::max(width, form->labelWidth());
    m_grid->setColumnMinimumWidth(0, width);
    for (ParamForm* form : {m_codecForm, m_methodForm})
        form->setLabelWidth(width);
}

void SchemeEditor::setCalibrated(bool calibrated) {
    m_calibrated = calibrated;
    showNote();
}

void SchemeEditor::showNote() {
    QStringList needing;
    for (const SchemePtr& s : m_schemes) {
        if (!s) continue;
        const auto method = findMethod(s->method);
        if (method && (*method)->needs != Needs::Nothing && !needing.contains(qstr((*method)->label)))
            needing << qstr((*method)->label);
    }
    m_note->setVisible(!m_calibrated && !needing.isEmpty());
    m_note->setText(m_note->isHidden() ? QString()
                                       : tr("%1 needs calibration: activations are not measured yet.")
                                             .arg(needing.join(QStringLiteral(", "))));
}

QString SchemeEditor::note() const {
    return m_note->text();
}

} // namespace qs::ui

// SPDX-License-Identifier: GPL-3.0-or-later
// The command palette (Ctrl+K): one line that finds actions, recent files and tensors by a few of their
// letters. Up and Down choose, Enter does it, Escape closes.
#pragma once

#include "widgets/models/FuzzyIndex.h"
#include "widgets/models/TargetNames.h"

#include <QAbstractButton>
#include <QAbstractListModel>
#include <QFrame>
#include <array>
#include <functional>
#include <vector>

class QListView;

namespace qs::ui {
class SearchLineEdit;
}

namespace qs::app {

/// What the palette can do, and the best of it for a query.
class PaletteModel : public QAbstractListModel {
    Q_OBJECT
public:
    enum class Kind { Action, File, Tensor };
    enum Roles {
        KindRole = Qt::UserRole + 1, ///< int: Kind
        DetailRole,                  ///< shortcut, folder, or why it cannot be done now
        BlockedRole,                 ///< bool
    };
    struct Command {
        QString name;    ///< "Set 4 bits"
        QString detail;  ///< shortcut
        QString blocker; ///< why it cannot be done now; "" when it can
    };
    struct Hit {
        Kind kind = Kind::Action;
        int id = -1; ///< index of the action or file, target of the tensor
    };

    using QAbstractListModel::QAbstractListModel;
    /// `tensor` gives the name of a target for display.
    void setContent(std::vector<Command> actions, QStringList files,
                    std::shared_ptr<const ui::TargetNames> names, std::function<QString(int target)> tensor);
    void search(const QString& query);
    Hit hit(int row) const { return m_hits[size_t(row)]; }

    int rowCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role) const override;

private:
    const Command& command(int id) const { return m_actions[size_t(id)]; }
    std::vector<Command> m_actions;
    QStringList m_files;
    std::shared_ptr<const ui::TargetNames> m_names;
    std::function<QString(int)> m_tensor;
    ui::NameIndex m_actionNames, m_fileNames;
    std::array<ui::FuzzySearch, 3> m_searches; ///< by Kind
    std::vector<Hit> m_hits;
};

class CommandPalette : public QFrame {
    Q_OBJECT
public:
    explicit CommandPalette(QWidget* window);
    PaletteModel* model() { return &m_model; }
    ui::SearchLineEdit* line() const { return m_line; }
    /// Over the upper part of the window, empty, with the keyboard.
    void popUp();

signals:
    void chosen(qs::app::PaletteModel::Hit hit);
    /// Enter on something that cannot be done now.
    void refused(const QString& reason);

protected:
    bool eventFilter(QObject* watched, QEvent* event) override;
    void paintEvent(QPaintEvent* event) override;

private:
    void choose();
    void fitHeight();

    PaletteModel m_model;
    ui::SearchLineEdit* m_line;
    QListView* m_list;
};

/// The palette's place in the tool bar: looks like a search line, shows the shortcut.
class PaletteButton : public QAbstractButton {
    Q_OBJECT
public:
    PaletteButton(const QString& text, const QKeySequence& shortcut, QWidget* parent = nullptr);
    QSize sizeHint() const override;
    QSize minimumSizeHint() const override;

protected:
    void paintEvent(QPaintEvent* event) override;

private:
    QString m_key;
};

} // namespace qs::app

package cli

import (
	"bytes"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// bashCompletion writes the completion script for bash. The library's script calls
// functions of the package bash-completion; where that is not installed, this one does
// without them.
func bashCompletion(w io.Writer, c *cobra.Command) error {
	var script bytes.Buffer
	if err := c.GenBashCompletionV2(&script, false); err != nil {
		return err
	}
	for _, text := range []string{
		strings.ReplaceAll(script.String(), "_filedir -d", "__"+c.Name()+"_folders"),
		strings.ReplaceAll(bashFallbacks, "PROGRAM", c.Name()),
	} {
		if _, err := io.WriteString(w, text); err != nil {
			return err
		}
	}
	return nil
}

// bashFallbacks come after the library's functions: the first takes the place of one of
// them. The variables that they set are local to the function that completes.
const bashFallbacks = `
# Bash breaks words at colons, which image names have.
__PROGRAM_init_completion()
{
    COMPREPLY=()
    if declare -F _get_comp_words_by_ref >/dev/null 2>&1; then
        _get_comp_words_by_ref "$@" cur prev words cword
        return
    fi
    local i line=$COMP_LINE
    words=()
    for ((i = 0; i < ${#COMP_WORDS[@]}; i++)); do
        if ((i > 0)) && [[ $line != [[:space:]]* ]]; then
            words[${#words[@]}-1]+=${COMP_WORDS[i]}
        else
            words+=("${COMP_WORDS[i]}")
        fi
        line=${line#*"${COMP_WORDS[i]}"}
        ((i > COMP_CWORD)) || cword=$((${#words[@]}-1))
    done
    cur=${words[cword]}
    prev=${words[cword > 0 ? cword-1 : 0]}
}

__PROGRAM_folders()
{
    if declare -F _filedir >/dev/null 2>&1; then
        _filedir -d
        return
    fi
    IFS=$'\n' read -ra COMPREPLY -d '' < <(compgen -d -- "$cur")
    [[ $(type -t compopt) != builtin ]] || compopt -o filenames
}
`
